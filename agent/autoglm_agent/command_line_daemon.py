"""The verbs around the daemon: join, run, status, doctor."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from autoglm_agent.config import AgentConfig, load_config
from autoglm_agent.errors import NotJoined
from autoglm_agent.ledger import Ledger, RosterEntry, StudyEntry, StudyState
from autoglm_agent.local import ask
from autoglm_agent.state import StateFolder
from autoglm_core.privacy.roster import Roster
from autoglm_core.protection import DEVICE_FACTS, RosterKind, protection_in_force, protection_lines
from autoglm_workloads.models.place import use_shelf


def join(options: argparse.Namespace) -> int:
    """Enrol."""
    from autoglm_agent import joining

    if options.name and not options.config.exists():
        folder = options.config.absolute().parent
        joining.first_config(options.config, name=options.name, state=options.state or folder / "state")
    token = sys.stdin.readline() if options.token == "-" else options.token  # noqa: S105
    identity = asyncio.run(joining.join(token, options.config))
    fingerprint = StateFolder(load_config(options.config).state).site_key().fingerprint
    print(f"joined as {identity.agent_id}; the coordinator is {identity.address}")
    print(f"site key {fingerprint}: read its first digits to whoever compares the roster")
    return 0


def run(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    config = load_config(options.config)
    use_shelf(config.models)
    asyncio.run(_serve(config))
    return 0


async def _serve(config: AgentConfig) -> None:
    from autoglm_agent.daemon import Agent

    def connected(address: str) -> None:
        print(f"autoglm-agent connected name={config.name} coordinator={address}", flush=True)

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Agent(config, connected=connected) as agent:
        await agent.run(stop)


def status(options: argparse.Namespace) -> int:
    """What the running agent does."""
    config = load_config(options.config)
    state = StateFolder(config.state)
    if not state.joined:
        raise NotJoined
    answer = ask(state.socket, {"verb": "status"})
    print(f"{config.name}  {'connected to' if answer['connected'] else 'not connected to'} {answer['address']}")
    ledger = Ledger(state.ledger)
    try:
        entries = ledger.studies()
        rosters = {entry.hash: entry for entry in ledger.rosters() if entry.accepted}
    finally:
        ledger.close()
    if config.device is None:
        print(f"roster   {_roster(list(rosters.values()))}")
    waiting = [entry.study_id for entry in entries if entry.state is StudyState.OFFERED]
    approved = [entry.study_id for entry in entries if entry.state is StudyState.APPROVED]
    print(f"studies  {len(approved)} approved, {len(waiting)} waiting{': ' if waiting else ''}{', '.join(waiting)}")
    for one in answer["preparing"]:
        print(f"         {one['study']}  {one['step']}")
    print(f"tasks    {len(answer['tasks'])}")
    for task in answer["tasks"]:
        print(f"         {task['study']}  {task['work']} round {task['round']}  {task['step']}")
    for entry in entries:
        if entry.state is StudyState.APPROVED:
            print("\n".join([f"{entry.study_id}", *_protection(config, entry, rosters.get(entry.roster_hash))]))
    return 0


def _roster(accepted: Sequence[RosterEntry]) -> str:
    """The newest accepted roster, with what it demands of every sum."""
    if not accepted:
        return "none accepted"
    roster, kind = Roster.decode(accepted[-1].body), _kind(accepted[-1])
    return (
        f"{kind}, {roster.hash[:16]}, version {roster.version}: {len(roster.sites)} sites, "
        f"minimum cohort {roster.minimum_cohort}, threshold {roster.threshold(len(roster.sites))} of all"
    )


def _kind(entry: RosterEntry) -> RosterKind:
    return RosterKind.SIMULATED if entry.simulated else RosterKind.PINNED


def _protection(config: AgentConfig, entry: StudyEntry, roster: RosterEntry | None) -> Iterator[str]:
    """What shields this agent in one study, if all of its roster's sites take part."""
    from autoglm_agent.studies import read_study

    study = read_study(entry.body)
    if config.device is not None:
        yield f"  {DEVICE_FACTS}"
    elif roster is None:
        yield "  its roster is not accepted: nothing leaves"
    else:
        known = Roster.decode(roster.body)
        facts = protection_in_force(study, known, sites=len(known.sites), kind=_kind(roster))
        yield from (f"  {line}" for line in protection_lines(facts))


def doctor(options: argparse.Namespace) -> int:
    """Check everything."""
    return asyncio.run(_examine(load_config(options.config)))


async def _examine(config: AgentConfig) -> int:
    from autoglm_agent.doctor import examine

    well = True
    use_shelf(config.models)
    async for finding in examine(config):
        print(f"{'ok ' if finding.ok else 'BAD'}  {finding.name}: {finding.text}")
        well = well and finding.ok
    return 0 if well else 1


VERBS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "join": join,
    "run": run,
    "status": status,
    "doctor": doctor,
}
