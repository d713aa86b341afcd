"""The verbs that talk to a coordinator."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from autoglm.answers import AgentLine, Blame, CheckLine, RosterLine, RosterView, StudyLine
from autoglm.command_line_study import read_study
from autoglm.control import login_with_token
from autoglm.credentials import configuration_folder, save_credentials
from autoglm.ending import ending_text
from autoglm.errors import StudyFailed, UnknownAgent, UnknownStudy
from autoglm.outcome import connect
from autoglm.progress import Progress, plain_line, view_for
from autoglm.results import Result
from autoglm.tables import Cell, render_table
from autoglm_core.canonical import canonical_json
from autoglm_core.codes import HINTS, RefusalCode, code_of
from autoglm_core.privacy.blame import MEANINGS, BlameCode
from autoglm_core.protection import protection_lines

WILLING = {str(RefusalCode.OK): "ok", str(RefusalCode.WOULD_ASK): "ok, would ask"}
AWAITING = "awaiting-approval"
REFUSED = 1
FINGERPRINT_DIGITS = 16


def login(options: Namespace) -> int:
    """Exchange a token for an operator certificate and store it."""
    folder = configuration_folder()
    credentials = login_with_token(options.token)
    save_credentials(credentials, folder)
    print(f"logged in as {credentials.operator_id} at {credentials.address}; the certificate is in {folder}")
    return 0


def join_token(options: Namespace) -> int:
    """Print a token, and nothing else, so that it can be piped."""
    with connect() as client:
        print(client.create_join_token(options.name, valid=options.valid, operator=options.operator))
    return 0


def roster_show(options: Namespace) -> int:
    """Print the newest roster."""
    del options
    with connect() as client:
        print(roster_text(client.roster()))
    return 0


def roster_propose(options: Namespace) -> int:
    """Write a new version of the roster."""
    with connect() as client:
        roster = client.propose_roster(
            options.sites, minimum_cohort=options.minimum_cohort, colluders=options.colluders
        )
    print(roster_text(roster))
    print("\nRead the fingerprints to every site over another channel; each then runs")
    print(f"  autoglm-agent roster accept {roster.hash[:FINGERPRINT_DIGITS]}")
    return 0


def roster_text(roster: RosterView) -> str:
    """A roster with who accepted it."""
    rows: list[Sequence[Cell]] = [[site.name, site.fingerprint, _acceptance(site)] for site in roster.sites]
    head = (
        f"roster {roster.hash[:FINGERPRINT_DIGITS]}  version {roster.version}  "
        f"minimum cohort {roster.minimum_cohort}  threshold {roster.threshold}"
    )
    return f"{head}\n{render_table(['site', 'fingerprint', ''], rows)}"


def _acceptance(site: RosterLine) -> str:
    if not site.accepted:
        return "not yet"
    return "accepted unseen: simulated" if site.simulated else "accepted"


def agents(options: Namespace) -> int:
    """List the agents, revoke one, or readmit one."""
    with connect() as client:
        known = client.agents()
        if options.revoke is not None:
            client.revoke_agent(_present(options.revoke, known).id)
            print(f"{options.revoke} is revoked")
            return 0
        if options.readmit is not None:
            client.readmit_agent(_present(options.readmit, known).id)
            print(f"{options.readmit} takes part again")
            return 0
    rows: list[Sequence[Cell]] = [
        [
            agent.name,
            agent.kind or None,
            _standing(agent),
            agent.device_class or ", ".join(agent.data) or None,
            agent.fingerprint[:FINGERPRINT_DIGITS] or None,
            agent.version or None,
        ]
        for agent in known
    ]
    print(
        render_table(["agent", "kind", "", "data or class", "site key", "version"], rows) if rows else "no agents yet"
    )
    for agent in known:
        print("".join(f"{_blamed(blame)}, study {blame.study_id}\n" for blame in agent.blames), end="")
    return 0


def _present(name: str, known: Sequence[AgentLine]) -> AgentLine:
    """The agent of that name; raises `UnknownAgent`."""
    found = [agent for agent in known if agent.name == name and not agent.revoked]
    if not found:
        raise UnknownAgent(name=name)
    return found[0]


def _standing(agent: AgentLine) -> str:
    if agent.revoked:
        return "revoked"
    return f"{'connected' if agent.connected else 'away'}{', barred' if agent.barred else ''}"


def _blamed(blame: Blame) -> str:
    """Who broke the secure sum, how and when, and what to do about it."""
    # A newer coordinator may know a code that this version does not.
    meaning = MEANINGS[BlameCode(blame.code)] if blame.code in set(BlameCode) else "it broke the secure sum"
    then = "readmitted" if blame.readmitted else f"in no session until `autoglm agents --readmit {blame.agent}`"
    return f"{blame.agent}: {blame.code}: {meaning}, {blame.purpose} round {blame.round}: {then}"


def submit(options: Namespace) -> int:
    """Submit a study, or ask the sites what they would say to it."""
    study = read_study(options.study).study
    if options.warm_start:
        study = replace(study, sampler=replace(study.sampler, warm_start=tuple(options.warm_start)))
    body = canonical_json(study.to_json())
    with connect() as client:
        if options.dry_run:
            return _print_check(client.check(body))
        key = secrets.token_hex(16) if options.again else f"submit-{study.hash}"
        submitted = client.submit(body, idempotency_key=key)
        line = next((line for line in client.studies() if line.id == submitted.id), None)
    print(f"{submitted.id} {_state(line)}" if line else submitted.id)
    if line is not None and json.loads(line.protection).get("spare_sites") == 0:
        print(f"  {protection_lines(json.loads(line.protection))[0]}")
    return 0


def _print_check(lines: Sequence[CheckLine]) -> int:
    width = max((len(line.agent) for line in lines), default=0)
    for line in lines:
        schema = f" (schema {line.schema_hash[:8]})" if line.schema_hash else ""
        print(f"{line.agent.ljust(width)}  {_verdict(line.code)}{schema}")
    if not lines:
        print("no site is connected")
    return 0 if lines and all(line.code in WILLING for line in lines) else REFUSED


def _verdict(code: str) -> str:
    """What a site would say, with what to change where it is no."""
    if code in WILLING:
        return WILLING[code]
    known = code_of(code)
    # A newer agent may know a word that this version does not.
    return f"refused: {code}: {HINTS[known]}" if str(known) == code else f"refused: {code}"


def _state(study: StudyLine) -> str:
    """The state, with the approvals for as long as they are gathered."""
    words = study.state.replace("-", " ")
    return f"{words} ({study.approved}/{study.wanted})" if study.state == AWAITING else words


def watch(options: Namespace) -> int:
    """Follow a study."""
    view = view_for(sys.stdout, width=shutil.get_terminal_size().columns)
    last: Progress | None = None
    with connect() as client:
        for last in client.watch(options.id):
            view.show(last)
        if last is not None and last.state == "failed":
            raise StudyFailed(study_id=options.id, reason=last.error or last.error_code)
        if last is not None and last.final:
            print(ending_text(Result.parse(client.result(options.id))))
    return 0


def stop(options: Namespace) -> int:
    """End a study."""
    with connect() as client:
        client.stop(options.id)
    print(f"{options.id} is stopped; what was completed stays: autoglm front {options.id}")
    return 0


def status(options: Namespace) -> int:
    """List studies with their protection, or one with its newest progress."""
    with connect() as client:
        studies = client.studies()
        if options.id is not None:
            studies = [study for study in studies if study.id == options.id]
            if not studies:
                raise UnknownStudy(study_id=options.id)
            progress = next(iter(client.watch(options.id)), None)
            if progress is not None:
                print(plain_line(progress))
    for study in studies:
        blamed = "".join(f"  {_blamed(blame)}\n" for blame in study.blames)
        print(f"{study.id}  {_state(study)}\n{_answers(study)}{blamed}{_protection(study.protection)}")
    if not studies:
        print("no studies yet")
    return 0


def _answers(study: StudyLine) -> str:
    """A line for whoever is still to decide, and one for each that said no."""
    waiting = [agent for agent, code in study.answers.items() if not code]
    lines = [f"  {agent}: {_verdict(code)}\n" for agent, code in study.answers.items() if code and code not in WILLING]
    if waiting and study.state == AWAITING:
        lines.append(f"  not decided yet: {', '.join(waiting)}\n")
    return "".join(lines)


def _protection(text: str) -> str:
    return "\n".join(f"  {line}" for line in protection_lines(json.loads(text)))
