"""A site's own numbers for one session: from the child's answer to the clear vector that the session masks.

The clear vector never leaves this process; `Contribution` names what a retried session may use again, because the same
manifest and purpose give the same bits; what a training cost is told as it was the first time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoglm_agent.admission import Admitted
from autoglm_agent.download import Room
from autoglm_agent.ledger import Ledger
from autoglm_agent.line import Line
from autoglm_agent.residuals import Residuals
from autoglm_agent.training_body import training_body
from autoglm_agent.training_room import TrainingRoom
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.vectors import ClearVector
from autoglm_core.training_cost import COST_LAYOUT, TrainingCost
from autoglm_core.workload import EstimatesMemory
from autoglm_workloads.child.host import ChildProcess, Reply

LOG = logging.getLogger(__name__)
Integers = NDArray[np.int64]
MOST_NOTES, LONGEST_NOTE = 256, 200
"""What one training may write into the log of its site."""


class Contribution:
    """Computes one session's clear vector.

    `secret`: the site's, for rounding; `ledger`: has what its trainings cost; `data`: path of its rows; `watts`: of one
    busy core of its machine.
    """

    def __init__(
        self,
        admitted: Admitted,
        *,
        site_id: str,
        secret: bytes,
        residuals: Residuals,
        ledger: Ledger,
        data: str,
        watts: float,
        seconds: float,
    ) -> None:
        self._admitted = admitted
        self._site_id = site_id
        self._secret = secret
        self._residuals = residuals
        self._ledger = ledger
        self._data = data
        self._watts = watts
        self._seconds = seconds

    @property
    def key(self) -> tuple[str, Purpose, str]:
        """Equal for two sessions that ask this site for the same numbers; rounding is not part of it."""
        spec = self._admitted.spec
        return spec.study_hash, spec.purpose, spec.manifest_hash

    async def compute(self, line: Line, child: ChildProcess, room_to_train: TrainingRoom) -> Reply:
        """Fetch the inputs and let the child work, a training once there is room for it.

        Raises:
            RefusedWith: an artifact is not to be had.
            RemoteError, ChildDied, TaskTimedOut: the child's work failed.
        """
        items = self._admitted.manifest.items
        study = self._admitted.spec.study_id
        room = Room()
        inputs = await asyncio.gather(*(line.fetch(item.artifact, study=study, room=room) for item in items))
        task, meta, with_constants = self._task()
        constants = [self._constants()] if with_constants else []
        async with room_to_train.taken(await asyncio.to_thread(self._training_bytes)):
            asked = {**self._common(), **meta}
            reply = await child.call(task, asked, [*constants, *inputs], timeout=self._seconds)
        for note in _notes(reply):
            LOG.info("study %s, round %d, %s", study, self._admitted.spec.round, note)
        return reply

    def vector(self, reply: Reply) -> ClearVector:
        """The child's answer as ring elements of the session; milliseconds of numpy, and of the disk for a training.

        Raises:
            NonFiniteUpdate, BadWeight, WrongVector, BadCounters: the answer cannot be summed.
        """
        spec = self._admitted.spec
        weight = int(reply.meta["weight"])
        if spec.purpose is not Purpose.TRAIN:
            tail = _tail(weight, reply.blobs, spec.layout.tail)
            return ClearVector(body=np.zeros(0, spec.layout.body_dtype), tail=tail)
        # A cap, not a limit to refuse at: refusals would tell, cap by cap, how many rows this site has.
        weight = min(weight, spec.weight_cap)
        delta = np.frombuffer(reply.blobs[0], "<f4")
        body, clipped = training_body(
            delta,
            weight=weight,
            admitted=self._admitted,
            site_id=self._site_id,
            secret=self._secret,
            residuals=self._residuals,
        )
        own = self._cost(reply), np.array([clipped], "<i8").tobytes()
        tail = _tail(weight, [*reply.blobs[1:], *own], spec.layout.tail)
        return ClearVector(body=body, tail=tail)

    def _training_bytes(self) -> int:
        """What the child will take for a training, where its workload can say; 0 for anything else."""
        admitted = self._admitted
        side = admitted.workload.site_side
        if admitted.spec.purpose is not Purpose.TRAIN or not isinstance(side, EstimatesMemory):
            return 0
        return side.training_bytes(admitted.study, admitted.manifest.items[0].configuration.tune)

    def _cost(self, reply: Reply) -> bytes:
        """What the training cost, as `COST_LAYOUT`; as it was told first, where it is done again."""
        training = canonical_json(list(self.key)).decode()
        cost = self._ledger.first_cost(training, TrainingCost.from_json(reply.meta["cost"]))
        return COST_LAYOUT.encode(cost.counters()).astype("<i8", copy=False).tobytes()

    def _common(self) -> Json:
        return {"study": self._admitted.study.to_json(), "data": self._data}

    def _constants(self) -> bytes:
        return np.array(self._admitted.manifest.constants or (), "<i8").tobytes()

    def _task(self) -> tuple[str, Json, bool]:
        """The child's task, its own fields, and whether the study's constants go first."""
        manifest, purpose = self._admitted.manifest, self._admitted.spec.purpose
        if purpose is Purpose.CONSTANTS:
            return "constants", {}, False
        configurations = [item.configuration.to_json() for item in manifest.items]
        if purpose is Purpose.TRAIN:
            meta = {"configuration": configurations[0], "round": self._admitted.spec.round, "seed": self._seed()}
            return "train", {**meta, "watts": self._watts}, True
        if purpose is Purpose.CALIBRATE:
            return "calibrate", {"configurations": configurations}, False
        meta = {"configurations": configurations, "split": str(manifest.split)}
        in_framework = manifest.items[0].form == "parameters"
        return ("evaluate", meta, True) if in_framework else ("evaluate-model", meta, False)

    def _seed(self) -> str:
        """This site's own: two sites with the same rows must not draw the same batches."""
        shared = bytes.fromhex(self._admitted.manifest.seed)
        return sha256(b"autoglm/v1/site-seed/" + shared + b"/" + self._site_id.encode()).hexdigest()


def _notes(reply: Reply) -> Iterator[str]:
    """What a training says for the site's own log; `vector` takes none of it."""
    for note in list(reply.meta.get("notes", ()))[:MOST_NOTES]:
        yield "".join(letter if letter.isprintable() else "?" for letter in str(note)[:LONGEST_NOTE])


def _tail(weight: int, blobs: Sequence[bytes | memoryview], size: int) -> NDArray[np.uint64]:
    """Weight and counters as `(size,)` lanes modulo 2^64."""
    tail = np.empty(size, "<i8")
    tail[:1] = weight
    if size > 1:
        np.concatenate([np.frombuffer(blob, "<i8") for blob in blobs], out=tail[1:])
    return tail.view("<u8")


class Computations:
    """The child's work in progress, at most one per study: a session that is tried again finds it running or done.

    Work that no session wants any more is stopped when the study's next session wants other work; the child is replaced
    then, which costs a second. That is cheaper than to wait for a training whose result nobody takes.
    """

    def __init__(self) -> None:
        self._running: dict[str, tuple[object, asyncio.Task[Reply]]] = {}

    async def result(self, study_id: str, key: object, begin: Callable[[], Coroutine[Any, Any, Reply]]) -> Reply:
        """The reply for `key`, begun now unless it was before; raises what it raised."""
        known = self._running.get(study_id)
        if known is None or known[0] != key or _failed(known[1]):
            await self.forget(study_id)
            known = key, asyncio.create_task(begin())
            self._running[study_id] = known
        return await asyncio.shield(known[1])

    async def forget(self, study_id: str) -> None:
        """Stop and drop the work of `study_id`."""
        known = self._running.pop(study_id, None)
        if known is not None:
            known[1].cancel()
            await asyncio.gather(known[1], return_exceptions=True)

    async def close(self) -> None:
        """Stop all of it."""
        for study_id in list(self._running):
            await self.forget(study_id)


def _failed(task: asyncio.Task[Reply]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
