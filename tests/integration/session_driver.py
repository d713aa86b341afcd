"""The driver of a session between its sites and the state machine: what runs where, and which vectors count."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from autoglm_coordinator.federation.active_session import Deadlines
from autoglm_coordinator.federation.blame import Blames
from autoglm_coordinator.federation.fleet import Fleet
from autoglm_coordinator.federation.session_driver import SessionDriver
from autoglm_coordinator.federation.session_failed import SessionFailed
from autoglm_coordinator.federation.transport import AgentFacts, Declined, OfferSession, Outgoing, SessionSend
from autoglm_coordinator.store.sql import open_store
from autoglm_core.measurement import Split
from autoglm_core.privacy.coordinator_events import MaskedArrived, Received, SumResult
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_events import InputReady, Send, SiteEvent, Start, UploadMasked
from autoglm_core.privacy.site_events import Received as Told
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector, MaskedVector
from autoglm_core.task import Manifest
from autoglm_protos.host import SystemClock
from support.secure_sum_wire import Deployment, inputs_for, integer_sum, result_sum

SITES = 4
SEED = 11


class Site:
    """A site without a network: a real half of the session behind the coordinator's `Link`."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.facts = AgentFacts(name, name, "site", "host", "", (), "", "0")
        self.has_said: dict[MessageKind, asyncio.Event] = defaultdict(asyncio.Event)
        self._ground, self._name = ground, name
        self._task = 0
        self._session: SiteSession | None = None

    def send(self, message: Outgoing) -> None:
        match message:
            case OfferSession(task=task) if self._name in self._ground.declines:
                declined = Declined(self._name, self._ground.declines[self._name])
                self._ground.fleet.deliver(task.sequence, self._name, declined)
            case OfferSession(task=task, spec=encoded, manifest=manifest):
                self._ground.moved += len(encoded) + len(manifest)
                self._task = task.sequence
                self._session = self._ground.session(SessionSpec.decode(encoded), self._name)
                self._handle(Start())
                self._handle(InputReady(self._ground.inputs[self._name]))
            case SessionSend(message=inner):
                self._ground.moved += len(inner.body) + len(inner.signature)
                self._handle(Told(inner))
            case _:
                return

    def close(self) -> None:
        return

    def _handle(self, event: SiteEvent) -> None:
        assert self._session is not None
        for instruction in self._session.handle(event):
            match instruction:
                case Send(message) if self._ground.hears(self._name, message):
                    self._ground.moved += len(message.body) + len(message.signature)
                    self.has_said[message.kind].set()
                    self._ground.fleet.deliver(self._task, self._name, Received(self._name, message))
                case UploadMasked(vector, header):
                    self._ground.moved += vector.body.nbytes + vector.tail.nbytes
                    self._ground.moved += len(header.body) + len(header.signature)
                    self._ground.upload(MaskedArrived(self._name, vector, header))
                case _:
                    continue


class Ground:
    """One session over `SITES` sites. `mute`: (site, kind) that is lost on the way; `declines`: codes by site."""

    def __init__(
        self,
        root: Path,
        *,
        mute: tuple[str, MessageKind] | None = None,
        declines: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.declines = declines
        self.deployment = Deployment.of(SITES)
        self.spec = self.deployment.spec(session_id=os.urandom(32), parameters=1000)
        self.inputs: dict[str, ClearVector] = inputs_for(self.spec, seed=SEED)
        self.unmasked_by: list[str] = []
        self.fleet = Fleet()
        self.uploads: list[asyncio.Task[bool]] = []
        self.moved = 0
        """Bytes that the sites sent and received, as they count them; `stored`: as the coordinator did."""
        self.stored = 0
        self._mute = mute
        self._store = open_store(root)
        self.driver = SessionDriver(
            fleet=self.fleet,
            store=self._store,
            blames=Blames(self._store, SystemClock()),
            deadlines=Deadlines(),
            parallel=self._in_parallel,
            parts=2,
        )
        self.sites = {name: Site(self, name) for name in self.spec.cohort}
        for site in self.sites.values():
            self.fleet.attach(site)

    def _in_parallel(self, work: Callable[[Any], None], parts: Sequence[Any]) -> Iterable[None]:
        self.unmasked_by.append(threading.current_thread().name)
        return map(work, parts)

    def session(self, spec: SessionSpec, site: str) -> SiteSession:
        key = self.deployment.keys[site]
        return SiteSession(spec, self.deployment.roster, site, key, entropy=os.urandom)

    def hears(self, site: str, message: Message) -> bool:
        return (site, message.kind) != self._mute

    def upload(self, arrived: MaskedArrived) -> None:
        self.uploads.append(asyncio.create_task(self.driver.active[self.spec.session_id].take(arrived)))

    async def run(self) -> SumResult:
        try:
            return await self.driver.run(self.spec, self.deployment.roster, Manifest((), Split.TRAIN, None, "00"))
        finally:
            self.stored = await self._store.study_bytes(self.spec.study_id)
            await self._store.close()

    def expected(self, survivors: Iterable[str]) -> tuple[list[int], list[int]]:
        return integer_sum([self.inputs[site] for site in survivors], self.spec.layout)

    async def until_said(self, site: str, kind: MessageKind) -> None:
        """Return once `site` has sent a message of `kind`."""
        async with asyncio.timeout(20):
            await self.sites[site].has_said[kind].wait()


def test_masks_are_removed_in_threads_beside_the_event_loop(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        result = await ground.run()
        assert result_sum(result) == ground.expected(ground.spec.cohort)
        assert [await upload for upload in ground.uploads] == [True] * SITES
        assert len(ground.unmasked_by) == 1
        assert threading.current_thread().name not in ground.unmasked_by

    asyncio.run(story())


def test_what_sites_send_and_receive_is_counted_to_the_byte(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        await ground.run()
        assert ground.stored == ground.moved
        assert ground.stored > SITES * ground.spec.layout.byte_size

    asyncio.run(story())


def test_a_session_that_came_to_nothing_is_counted_too(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        kept = ground.upload

        def upload(arrived: MaskedArrived) -> None:
            if arrived.site_id == "s03":  # the last to send: half of them are gone by then
                for site in ("s02", "s03"):
                    ground.fleet.detach(ground.sites[site])
            else:
                kept(arrived)

        ground.upload = upload  # type: ignore[method-assign]
        with pytest.raises(SessionFailed):
            await ground.run()
        received = ground.spec.layout.byte_size * 3
        assert received < ground.stored <= ground.moved

    asyncio.run(story())


def test_so_they_are_where_the_loss_of_a_site_ends_the_last_phase(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path, mute=("s00", MessageKind.UNMASK))
        running = asyncio.create_task(ground.run())
        for site in ("s01", "s02", "s03"):
            await ground.until_said(site, MessageKind.UNMASK)
        ground.fleet.detach(ground.sites["s00"])
        result = await running
        assert result_sum(result) == ground.expected(ground.spec.cohort)
        assert len(ground.unmasked_by) == 1
        assert threading.current_thread().name not in ground.unmasked_by

    asyncio.run(story())


def test_a_vector_whose_call_ended_before_it_was_added_is_not_in_the_sum(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        kept = ground.upload

        def upload(arrived: MaskedArrived) -> None:
            kept(arrived)
            if arrived.site_id == "s02":
                # Its call is cancelled when it has handed the vector over, as when the site's connection breaks.
                asyncio.get_running_loop().call_soon(ground.uploads[-1].cancel)
                asyncio.get_running_loop().call_soon(ground.fleet.detach, ground.sites["s02"])

        ground.upload = upload  # type: ignore[method-assign]
        result = await ground.run()
        assert result.dropped == ("s02",)
        assert result_sum(result) == ground.expected(result.survivors)

    asyncio.run(story())


def test_a_vector_that_comes_after_the_end_is_told_so(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path)
        late: list[MaskedArrived] = []
        kept = ground.upload

        def upload(arrived: MaskedArrived) -> None:
            late.append(arrived)
            kept(arrived)

        ground.upload = upload  # type: ignore[method-assign]
        running = asyncio.create_task(ground.run())
        await ground.until_said("s00", MessageKind.UNMASK)
        session = ground.driver.active[ground.spec.session_id]
        await running
        async with asyncio.timeout(5):
            assert await session.take(late[0]) is False

    asyncio.run(story())


def test_a_session_that_is_given_up_lets_go_of_a_call_that_still_waits(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path, mute=("s00", MessageKind.ADVERT))
        running = asyncio.create_task(ground.run())
        await ground.until_said("s03", MessageKind.ADVERT)
        vector = MaskedVector.zeros(ground.spec.layout)
        ground.upload(MaskedArrived("s00", vector, Message(MessageKind.MASKED, b"", b"")))
        await asyncio.sleep(0)  # it is in the inbox now
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        async with asyncio.timeout(5):
            await ground.uploads[-1]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("first", "second", "lasting"),
    [
        ("diverged", "diverged", True),
        ("diverged", "memory", True),
        ("unsupported-precision", "no-checkpointing", True),
        ("data-missing", "model-missing", True),
        ("diverged", "draining", False),
        ("memory", "child-died", False),
    ],
)
def test_a_session_is_not_repeated_where_too_few_would_say_otherwise(
    first: str, second: str, lasting: bool, tmp_path: Path
) -> None:
    async def story() -> None:
        ground = Ground(tmp_path, declines={"s00": first, "s01": second})
        assert ground.spec.needed == SITES - 1
        with pytest.raises(SessionFailed) as failed:
            await ground.run()
        assert failed.value.lasting is lasting
        told = sorted(f"{code} x{count}" for code, count in Counter((first, second)).items())
        assert failed.value.declined == ", ".join(told)

    asyncio.run(story())


def test_one_that_cannot_leaves_a_sum_over_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        ground = Ground(tmp_path, declines={"s03": "memory"})
        result = await ground.run()
        assert result.dropped == ("s03",)
        assert result_sum(result) == ground.expected(result.survivors)

    asyncio.run(story())
