"""The verbs with which an administrator decides and looks things up: studies, rosters, data, audit."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from autoglm_agent import audit
from autoglm_agent.command_line_data import readings
from autoglm_agent.command_line_models import model_line
from autoglm_agent.config import AgentConfig, load_config
from autoglm_agent.decisions import own_roster
from autoglm_agent.errors import (
    AuditBroken,
    CannotTakePart,
    DaemonNotRunning,
    NoRoster,
    NotJoined,
    StillWorking,
    UnknownDataset,
)
from autoglm_agent.ledger import Ledger, RosterEntry, StudyEntry, StudyState
from autoglm_agent.local import ANSWER_SECONDS, ask
from autoglm_agent.state import StateFolder
from autoglm_agent.studies import read_study
from autoglm_core.canonical import Json
from autoglm_core.codes import HINTS, RefusalCode, RefusedWith
from autoglm_core.privacy.keys import SitePublicKey
from autoglm_core.privacy.roster import Roster
from autoglm_workloads.models.needed import needed_model
from autoglm_workloads.models.place import use_shelf

DIGITS = 16
"""Of a fingerprint, when people read it to each other: 64 bits are beyond any search for a twin here."""


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[tuple[AgentConfig, StateFolder, Ledger]]:
    config = load_config(options.config)
    use_shelf(config.models)
    state = StateFolder(config.state)
    if not state.joined:
        raise NotJoined
    ledger = Ledger(state.ledger)
    try:
        yield config, state, ledger
    finally:
        ledger.close()


def _tell(state: StateFolder, request: Json) -> Json:
    """Ask the daemon to act; where none runs, the next start will; `still`: it does, and is not ready yet."""
    try:
        return ask(state.socket, request, seconds=ANSWER_SECONDS)
    except DaemonNotRunning:
        return {"told": False}
    except StillWorking as error:
        return {"still": error.message}


def studies(options: argparse.Namespace) -> int:
    """List them."""
    with _opened(options) as (_, _, ledger):
        entries = ledger.studies()
    for entry in entries:
        reason = f"  {HINTS[entry.code]}" if entry.code is not RefusalCode.OK else ""
        print(f"{entry.study_id}  {entry.state}{reason}")
        if entry.state is not StudyState.ENDED and (line := model_line(read_study(entry.body))):
            print(f"  {line}")
    if not entries:
        print("no study was offered yet")
    return 0


def show(options: argparse.Namespace) -> int:
    """Everything that an approval is a yes to."""
    with _opened(options) as (_, _, ledger):
        entry = ledger.study(options.study)
    study = read_study(entry.body)
    print(f"study {entry.study_id}, {entry.state}, hash {entry.hash}")
    print(f"workload {study.workload} (version {study.workload_version}), data {study.data}, model {study.model}")
    if line := model_line(study):
        print(line)
    print(f"rounds {study.rounds}, trials {study.budget.trials}, minimum cohort {study.protection.minimum_cohort}")
    summed = "required: the coordinator sees sums alone" if study.protection.secure_sum else "OFF: it sees every update"
    print(f"secure sum {summed}")
    print(json.dumps(study.to_json(), indent=2, sort_keys=True))
    return 0


def approve(options: argparse.Namespace) -> int:
    """Write a yes."""
    return _decide(options, StudyState.APPROVED, RefusalCode.OK)


def deny(options: argparse.Namespace) -> int:
    """Write a no."""
    return _decide(options, StudyState.DENIED, RefusalCode.DENIED)


def withdraw(options: argparse.Namespace) -> int:
    """Take a yes back."""
    return _decide(options, StudyState.WITHDRAWN, RefusalCode.WITHDRAWN)


def _decide(options: argparse.Namespace, decision: StudyState, code: RefusalCode) -> int:
    with _opened(options) as (config, state, ledger):
        entry = ledger.study(options.study)
        if decision is StudyState.APPROVED:
            _require_decidable(config, ledger, entry)
        ledger.decide(entry.study_id, decision, code)
        answer = _tell(state, {"verb": "decided", "study": entry.study_id})
    refused = RefusalCode(answer.get("code", RefusalCode.OK))
    if decision is StudyState.APPROVED and refused is not RefusalCode.OK:
        raise CannotTakePart(study_id=entry.study_id, refusal=str(refused), hint=HINTS[refused])
    told = "the coordinator was told" if answer.get("told") else "the coordinator is told when the agent is connected"
    print(f"{entry.study_id} {decision}; {answer.get('still', told)}")
    return 0


def _require_decidable(config: AgentConfig, ledger: Ledger, entry: StudyEntry) -> None:
    """An approval that a rule of the site or a missing roster would void is refused now."""
    from autoglm_agent.policy import judge

    study, accepted = read_study(entry.body), ledger.accepted_roster(entry.roster_hash) is not None
    needed = needed_model(study)
    if config.device is None and needed is not None and not needed.served:
        needed.require()
    code = judge(config, study, roster_accepted=accepted)
    if code not in (RefusalCode.OK, RefusalCode.WOULD_ASK):
        raise RefusedWith(code)


def roster_show(options: argparse.Namespace) -> int:
    """The roster that was offered last."""
    with _opened(options) as (_, state, ledger):
        entry = _chosen(ledger, "")
        own = state.identity().agent_id
    roster = Roster.decode(entry.body)
    print(f"roster {entry.hash[:DIGITS]}, version {roster.version}, {'accepted' if entry.accepted else 'not accepted'}")
    print(f"a sum is opened over at least {max(roster.minimum_cohort, roster.threshold(len(roster.sites)))} sites")
    for site in roster.sites:
        mark = "  (this site)" if site.site_id == own else ""
        print(f"  {SitePublicKey(site.public_key).fingerprint[:DIGITS]}  {site.name}{mark}")
    if not entry.accepted:
        print("compare each fingerprint with its site by telephone, then:")
        print(f"  autoglm-agent roster accept {entry.hash[:DIGITS]}")
    return 0


def roster_accept(options: argparse.Namespace) -> int:
    """Pin the roster whose hash begins as typed."""
    with _opened(options) as (_, state, ledger):
        entry = _chosen(ledger, options.hash)
        own_roster(entry.body, agent_id=state.identity().agent_id, key=state.site_key())
        ledger.accept_roster(entry.hash)
        _tell(state, {"verb": "roster"})
    print(f"roster {entry.hash[:DIGITS]} accepted")
    return 0


def _chosen(ledger: Ledger, prefix: str) -> RosterEntry:
    found = [entry for entry in ledger.rosters() if entry.hash.startswith(prefix.lower())]
    if not found or (prefix and len(prefix) < 4):
        raise NoRoster(prefix=prefix)
    return found[-1]


def data_check(options: argparse.Namespace) -> int:
    """Read a dataset as each study that names it would."""
    with _opened(options) as (config, _, ledger):
        known = [(entry.study_id, entry.body) for entry in ledger.studies() if entry.state is not StudyState.ENDED]
        asked = ledger.checked(options.name)
    source = config.data.get(options.name)
    if source is None:
        raise UnknownDataset(name=options.name, known=", ".join(config.data))
    named = [(study_id, study) for study_id, body in known if (study := read_study(body)).data == source.name]
    if asked is not None:
        named.append(("latest dry run", read_study(asked)))
    if not named:
        found = "is there" if source.path.exists() else "is NOT there: correct `path` in agent.toml"
        print(f"{source.name}  its file {found}; no study names it yet, so its schema cannot be checked")
        return 0 if source.path.exists() else 1
    results = [asyncio.run(reading.check(config)) for reading in readings(named)]
    return 0 if all(results) else 1


def audit_verify(options: argparse.Namespace) -> int:
    """Check the chain, and that nothing was cut off behind the last acknowledged head."""
    with _opened(options) as (_, state, _):
        count, size, head = 0, 0, audit.Head(0, audit.START)
        kept = _kept_head(state)
        found = kept is None
        for entry in audit.verify(state.audit):
            head = audit.head_of(entry)
            count, size, found = count + 1, size + entry.size, found or head == kept
    if not found:
        raise AuditBroken(sequence=head.sequence, reason="entries that the coordinator acknowledged are missing")
    acknowledged = 0 if kept is None else kept.sequence
    print(f"{count} messages, {size} bytes left this site; the chain holds, {acknowledged} of them acknowledged")
    print(f"head {head.head}")
    return 0


def _kept_head(state: StateFolder) -> audit.Head | None:
    """The newest head that this site signed and the coordinator acknowledged."""
    try:
        value = json.loads(state.kept_head.read_bytes())
        head = audit.Head(int(value["sequence"]), str(value["head"]))
        state.site_key().public.verify(audit.HEAD_MESSAGE, head.body, bytes.fromhex(value["signature"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise AuditBroken(sequence=0, reason="the acknowledged head cannot be read") from None
    return head


VERBS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "studies": studies,
    "show": show,
    "approve": approve,
    "deny": deny,
    "withdraw": withdraw,
    "roster-show": roster_show,
    "roster-accept": roster_accept,
    "data-check": data_check,
    "audit-verify": audit_verify,
}
