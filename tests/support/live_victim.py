"""The victim as an agent: `autoglm-agent run` in a process of its own, which dialled in to a cheating coordinator.

Its certificate, child, ledger and audit log are the real ones. One process serves a whole run of tests: every session
is over a model of its own, and what was recorded before it began is left out of what is asserted about it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from autoglm.processes import Daemon, program, stop_all
from autoglm_agent import audit
from autoglm_agent.incoming import SessionOffered
from autoglm_agent.ledger import Ledger
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.canonical import canonical_json
from autoglm_core.codes import RefusalCode, code_of
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_events import RecordRelease
from autoglm_protos.host import SystemClock
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import serving
from support.agent_sites import STUDY_ID, make_site, offer_of
from support.cheating_coordinator import CheatingCoordinator, Declined, LiveWire
from support.interference import nothing
from support.secure_sum_wire import Deployment, Interfere, Wire, inputs_for
from support.victims import VICTIM, Ground, Round, only_to_victim, shown_to_victim

ANSWER = 15.0
NOT_HEARD = frozenset({"fetch", "renewal"})
"""Kinds of the audit log that are calls beside the stream: they name what the coordinator offered."""

T = TypeVar("T")


@dataclass(frozen=True)
class Mark:
    """How far the agent's records were when a session was made."""

    audited: int
    heard: int
    logged: int
    released: list[RecordRelease]


class AgentVictim:
    """One agent, from its start to its end; approves by itself what lies inside of what it can do."""

    def __init__(self, root: Path) -> None:
        self.coordinator = CheatingCoordinator(Authority.create("test", now=SystemClock().now()))
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._sequence = itertools.count(1)
        self._marks: dict[bytes, Mark] = {}
        address = self._runner.run(self._stack.enter_async_context(serving(self.coordinator)))
        site = make_site(root, VICTIM, credentials=self.coordinator.issue(VICTIM), address=address)
        self.state, self.ground = site.state, Ground(site.key)
        self.coordinator.roster = self.ground.roster
        config = root / VICTIM / "agent.toml"
        data = '[data.nothing]\npath = "rows"\nworkload = "synthetic"\n'
        config.write_text(f'name = "{VICTIM}"\nstate = "state"\n{data}[policy]\napproval = "simulated"\n')
        self._log = root / "victim.log"
        self._daemon = Daemon(VICTIM, [program("autoglm-agent"), "run", "--config", str(config)], log=self._log)
        self.start()

    def start(self) -> None:
        """Start the process; the study is approved afterwards."""
        self._daemon.start()
        self.run(self._approved())

    def stop(self) -> None:
        """End the process; what it still waits for is called off, or it would wait for that."""
        self.coordinator.cancel_all(VICTIM)
        self.run(self._all_said())
        stop_all([self._daemon], seconds=10)

    def restart(self) -> None:
        """As after a reboot."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End everything."""
        self.stop()
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Let `story` talk to the agent."""

        async def within() -> T:
            async with asyncio.timeout(ANSWER):
                return await story

        return self._runner.run(within())

    @contextmanager
    def reconnected(self, *, epoch: int) -> Iterator[None]:
        """The agent's stream ends, and the coordinator that it comes back to is at `epoch`; for a while."""
        honest = self.coordinator.epoch
        self.run(self._reconnect(epoch))
        try:
            yield
        finally:
            self.run(self._reconnect(honest))

    async def _reconnect(self, epoch: int) -> None:
        known, self.coordinator.epoch = len(self.coordinator.hellos), epoch
        self.coordinator.cut(VICTIM)
        await self.coordinator.connected(lambda: len(self.coordinator.hellos) > known)

    async def _approved(self) -> None:
        known = len(self.coordinator.hellos)
        await self.coordinator.connected(lambda: len(self.coordinator.hellos) > known)
        body = canonical_json(self.ground.study.to_json())
        offer = pb.StudyOffer(study_id=STUDY_ID, study=body, roster_hash=self.ground.roster.hash)
        self.coordinator.send(VICTIM, pb.CoordinatorMessage(study=offer))
        decision = await self.coordinator.said(VICTIM, "decision")
        assert decision.approved, decision.code

    # A session

    def wire(self, round: Round | None = None, interfere: Interfere = nothing, **fields: Any) -> LiveWire:
        """As `Victim`."""
        round = round or self.ground.round()
        self.coordinator.store(round.model)
        wire = LiveWire(
            self.coordinator,
            self.offer(round),
            VICTIM,
            deployment=Deployment(self.ground.roster, self.ground.peers),
            inputs=inputs_for(round.spec),
            interfere=only_to_victim(interfere),
            reported=round.spec.cohort,
            **fields,
        )
        self.mark(wire)
        return wire

    def mark(self, wire: Wire) -> None:
        """What is asserted about `wire` is what comes after now."""
        self._marks[wire.spec.session_id] = self._mark(wire.spec)

    def offer(self, round: Round) -> SessionOffered:
        """`round` as the task that comes next."""
        return offer_of(round.spec, round.manifest, sequence=next(self._sequence))

    def play(self, wire: Wire, *, until: MessageKind | None = None) -> None:
        """As `Victim`."""
        assert isinstance(wire, LiveWire)
        self.run(play(wire, until=until))

    def answer(self, wire: Wire, message: Message) -> Message | str:
        """As `Victim`."""
        assert isinstance(wire, LiveWire)
        self.coordinator.say(VICTIM, wire.spec.session_id, message)
        said = self.run(wire.hear())
        assert isinstance(said, Message | Declined)
        return said.code if isinstance(said, Declined) else said

    def ignores(self, wire: Wire, message: Message) -> None:
        """As `Victim`: whatever it says next is the answer to the next message."""
        self.coordinator.say(VICTIM, wire.spec.session_id, message)

    def word(self, code: str) -> str:
        """As `Victim`."""
        return str(code_of(code))

    # What must be true afterwards

    def turns_down(self, offered: Round, code: str, **task: Any) -> None:
        """Assert that the agent refuses this offer with `code` before it says anything in the session.

        `task`: what the offer's task says otherwise than the spec.
        """
        self.coordinator.store(offered.model)
        mark, offer = self._mark(offered.spec), self.offer(offered)
        self.coordinator.offer(VICTIM, replace(offer, task=replace(offer.task, **task)))
        said = self.run(self.coordinator.said_in[offered.spec.session_id].get())
        assert said == Declined("refused", code)
        self._let_nothing_out(offered.spec, mark)

    def gave_up(self, wire: Wire, code: str) -> None:
        """As `Victim`; its administrator reads the code, and the audit log holds the refusal."""
        mark = self._marks[wire.spec.session_id]
        assert wire.site_aborts.get(VICTIM) == self.word(code)
        assert (VICTIM, MessageKind.UNMASK) not in wire.messages
        assert f"session given up: {code}" in self._log.read_bytes()[mark.logged :].decode()
        self.stays_silent(wire)
        self._let_nothing_out(wire.spec, mark)

    def stays_silent(self, wire: Wire, *more: Message) -> None:
        """As `Victim`."""
        for message in (*shown_to_victim(wire), *more):
            self.coordinator.say(VICTIM, wire.spec.session_id, message)
        self.run(self._all_said())
        assert self.coordinator.said_in[wire.spec.session_id].empty()

    def _let_nothing_out(self, spec: SessionSpec, mark: Mark) -> None:
        """No release is recorded, the session is silent, and the audit log holds exactly what was heard."""
        self.run(self._all_said())
        assert self.released(spec) == mark.released
        assert self.coordinator.said_in[spec.session_id].empty()
        new = [entry for entry in audit.verify(self.state.audit) if entry.sequence > mark.audited]
        assert {"task-refused", "task-failed"} & {entry.kind for entry in new}
        recorded = Counter(entry.sha256 for entry in new if entry.kind not in NOT_HEARD)
        assert recorded == Counter(self.coordinator.digests[mark.heard :])

    def released(self, spec: SessionSpec) -> list[RecordRelease]:
        """What the ledger holds of shares for the models and purpose of `spec`."""
        return self._ledger(lambda ledger: ledger.releases(spec.subjects, spec.purpose))

    def _ledger(self, look: Callable[[Ledger], T]) -> T:
        with closing(Ledger(self.state.ledger)) as ledger:
            return look(ledger)

    async def _all_said(self) -> None:
        """Until the agent has refused one more offer: all that it had to say before was heard."""
        stranger = self.ground.round(study_id="never-offered")
        self.coordinator.offer(VICTIM, self.offer(stranger))
        said = await self.coordinator.said_in[stranger.spec.session_id].get()
        assert said == Declined("refused", str(RefusalCode.NOT_APPROVED))

    def _mark(self, spec: SessionSpec) -> Mark:
        self.run(self._all_said())
        entries = list(audit.verify(self.state.audit))
        logged = self._log.stat().st_size
        return Mark(entries[-1].sequence, len(self.coordinator.digests), logged, self.released(spec))


async def play(wire: LiveWire, *, until: MessageKind | None = None) -> None:
    """From the offer until there is an outcome, the agent gave up, or it said `until`."""
    wire.begin()
    wire.settle()
    while not (wire.ended or (until is not None and wire.heard(until))):
        await wire.hear()
