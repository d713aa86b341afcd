"""PROBE: measure shapes before a round is spent on them.

Latency, energy, memory and size depend on a variant's shape, not on its weights. Each shape is exported once with
random weights and measured once per device class, all shapes of a batch interleaved in one exclusive lease. What
breaks a constraint of the study is refused per class; a trial that every class refuses is infeasible. A lease's seconds
are charged to its shapes in equal parts, and a shape's part in equal parts to the trials that wait for it.

A device's answer is sealed and signed over what it was asked (study, task, models). It is kept as it came and opened
where it is used, so that the store holds no figure of a device that a trial does not show.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from autoglm_coordinator.federation.transport import CancelTask, Declined, OfferProbe, Probed
from autoglm_coordinator.store.errors import UNUSABLE
from autoglm_coordinator.trials.batches import TOGETHER, batches, in_halves
from autoglm_coordinator.trials.context import StudyContext, distinct, stage_key
from autoglm_coordinator.trials.facts import SealedFacts
from autoglm_coordinator.trials.stages import Tools, cached
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.codes import RefusalCode
from autoglm_core.configuration import Configuration
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import ANY_DEVICE
from autoglm_core.privacy.sealing import probe_context
from autoglm_core.task import TaskId
from autoglm_core.trial import StageName, StageRecord, Trial

LOG = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)
SLOWEST = 2e6
"""Bytes a second that the network of a device is expected to bring; a lease is that much longer."""
PER_LEASE = 16
"""Variants interleaved in one lease; more would make each block of one variant too short."""
MEASURE_SECONDS = 1.0
"""Wall time over which the blocks of one lease are spread (a percentile over less than a second says little)."""
GATHER_SECONDS = 30.0


class ProbeFailed(AutoglmError):
    """No device of the class gave a measurement."""

    code = "probe-failed"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, device_class: str, reason: str) -> None:
        super().__init__(
            f"device class {device_class} gave no measurement ({reason}): "
            "look at `autoglm agents` and at that agent's log",
            device_class=device_class,
            reason=reason,
        )


@dataclass(frozen=True)
class Shape:
    """An exported shape with random weights. `key`: hash of the shape; the rest are artifacts."""

    key: str
    model: str
    inputs: str
    outputs: str
    facts: Json
    threads: int

    @property
    def measured_key(self) -> str:
        """The shape with its session options: what a latency belongs to."""
        return stage_key("SHAPE", self.key, self.threads)

    @property
    def size(self) -> int:
        """Bytes of the model."""
        return int(self.facts["size_bytes"])

    def exact(self) -> dict[str, Measurement]:
        """Size and parameters: known, not measured."""
        return {
            "size_mb": Measurement(self.size / 1e6, 0.0, 1, Provenance.EXACT),
            "parameters": Measurement(float(self.facts["parameters"]), 0.0, 1, Provenance.EXACT),
        }


class Probing:
    """PROBE for a batch of trials."""

    def __init__(self, context: StudyContext, tools: Tools) -> None:
        self._context = context
        self._tools = tools

    async def run(self, trials: Sequence[Trial]) -> dict[int, tuple[dict[str, dict[str, Measurement]], StageRecord]]:
        """Measurements by trial number and device class.

        Raises:
            ProbeFailed: a class has no device that answers.
        """
        self._context.progress.stage = "PROBE"
        shapes = {trial.number: await self._shape(trial.configuration) for trial in trials}
        reference, _ = await self._shape(self._reference())
        unique = list({shape.measured_key: shape for shape, _ in shapes.values()}.values())
        figures: dict[str, dict[str, dict[str, Measurement]]] = {}
        leased = dict.fromkeys((shape.measured_key for shape in unique), 0.0)
        for device_class in self._context.study.device_classes:
            figures[device_class] = await self._measure_class(device_class, unique, reference, leased)
        if not figures:
            figures[ANY_DEVICE] = {shape.measured_key: {} for shape in unique}
        waiting = Counter(shape.measured_key for shape, _ in shapes.values())
        return {
            number: (
                {name: {**entry[shape.measured_key], **shape.exact()} for name, entry in figures.items()},
                _charged(record, leased[shape.measured_key] / waiting[shape.measured_key]),
            )
            for number, (shape, record) in shapes.items()
        }

    def _reference(self) -> Configuration:
        return self._context.study.reference_configuration

    async def _shape(self, configuration: Configuration) -> tuple[Shape, StageRecord]:
        context = self._context
        shape_key = context.workload.model_side.shape_key(context.study, configuration)
        key = stage_key("PROBE-SHAPE", context.workload.name, context.workload.version, shape_key)

        async def compute() -> Json:
            meta = {"study": context.study_json, "configuration": configuration.to_json()}
            reply = await self._tools.in_child("export-shape", meta)
            model, inputs, outputs = [await self._tools.store.put_artifact(bytes(blob)) for blob in reply.blobs]
            return {"model": model, "inputs": inputs, "outputs": outputs, "facts": reply.meta}

        result, record = await cached(self._tools, StageName.PROBE, key, compute)
        artifacts = result["model"], result["inputs"], result["outputs"]
        return Shape(shape_key, *artifacts, result["facts"], configuration.threads), record

    async def _measure_class(
        self, device_class: str, shapes: Sequence[Shape], reference: Shape, leased: dict[str, float]
    ) -> dict[str, dict[str, Measurement]]:
        """Measurements by shape; each shape's part of a lease is added to its seconds in `leased`."""
        figures: dict[str, dict[str, Measurement]] = {}
        missing = []
        for shape in shapes:
            stored = await self._tools.store.get_stage(self._figure_key(device_class, shape))
            if stored is None:
                missing.append(shape)
            else:
                figures |= await self._opened(await SealedFacts.kept(stored, self._tools.store), [shape])

        async def measured(batch: list[Shape]) -> bool:
            begun = time.monotonic()
            answer = await self._lease(device_class, batch, reference)
            if answer is not None:
                await self._keep(device_class, batch, answer[0])
                figures.update(answer[1])
            share = (time.monotonic() - begun) / len(batch)
            leased.update({shape.measured_key: leased[shape.measured_key] + share for shape in batch})
            return answer is not None

        room = TOGETHER - reference.size
        await in_halves(batches(missing, size=lambda shape: shape.size, room=room, most=PER_LEASE), measured)
        return figures

    async def _keep(self, device_class: str, shapes: Sequence[Shape], facts: SealedFacts) -> None:
        kept = await facts.keep(self._tools.store)
        for shape in shapes:
            await self._tools.store.put_stage("PROBE", self._figure_key(device_class, shape), kept)

    def _figure_key(self, device_class: str, shape: Shape) -> str:
        # Another study may give a class of the same name to other devices.
        return stage_key("PROBE", self._context.study_id, device_class, shape.measured_key)

    async def _lease(
        self, device_class: str, shapes: Sequence[Shape], reference: Shape
    ) -> tuple[SealedFacts, dict[str, dict[str, Measurement]]] | None:
        """What a device of the class answered; None where it is too slow for several `shapes` in one lease."""
        until = asyncio.get_running_loop().time() + GATHER_SECONDS
        reason = "no device connected"
        while asyncio.get_running_loop().time() < until:
            for agent_id in self._context.devices.get(device_class, ()):
                link = self._tools.fleet.link(agent_id)
                if link is None:
                    continue
                async with self._tools.leases.exclusive(link.facts.host_id):
                    answer = await self._ask(agent_id, shapes, reference)
                if isinstance(answer, SealedFacts):
                    try:
                        return answer, await self._opened(answer, shapes)
                    except UNUSABLE:
                        raise
                    except AutoglmError as error:  # this device cannot be believed; another one may be
                        answer = error.code
                if answer == RefusalCode.TOO_SLOW and len(shapes) > 1:
                    return None
                reason = f"{link.facts.name}: {answer}"
                LOG.warning("device class %s, %s", device_class, reason)
            await self._tools.fleet.changed(1.0)
        raise ProbeFailed(device_class=device_class, reason=reason)

    async def _ask(self, agent_id: str, shapes: Sequence[Shape], reference: Shape) -> SealedFacts | str:
        sequence = await self._tools.store.next_sequence()
        task = TaskId(self._context.study_id, "PROBE", 0, 1, sequence)
        link = self._tools.fleet.link(agent_id)
        if link is None:
            return "device lost"
        time_given = _time_for([*shapes, reference])
        until = asyncio.get_running_loop().time() + time_given.total_seconds()
        manifest = self._manifest(shapes, reference)
        with self._tools.fleet.open_inbox(sequence, [agent_id]) as inbox:
            link.send(OfferProbe(task, time_given, manifest))
            event = await inbox.get(until)
        if isinstance(event, Probed):
            context = probe_context(
                agent_id=agent_id, study_id=task.study_id, sequence=task.sequence, manifest=manifest
            )
            return SealedFacts(agent_id, context, event.sealed)
        if isinstance(event, Declined):
            return event.code
        link.send(CancelTask(task, "deadline"))
        return "deadline" if event is None else "device lost"

    def _manifest(self, shapes: Sequence[Shape], reference: Shape) -> bytes:
        return canonical_json(
            {
                "items": [_item(shape) for shape in shapes],
                "reference": _item(reference),
                "seconds": MEASURE_SECONDS,
            }
        )

    async def _opened(self, facts: SealedFacts, shapes: Sequence[Shape]) -> dict[str, dict[str, Measurement]]:
        """Measurements by shape."""
        keys = [shape.measured_key for shape in shapes]
        return await facts.open(keys, store=self._tools.store, key=self._tools.study_key)


def _time_for(shapes: Sequence[Shape]) -> timedelta:
    """For the models to arrive, to be loaded and to be measured."""
    return LEASE + timedelta(seconds=sum(shape.size for shape in shapes) / SLOWEST)


def _charged(record: StageRecord, seconds: float) -> StageRecord:
    """`record` with the `seconds` of a lease; nothing was from the store then."""
    return replace(record, cached=record.cached and not seconds, seconds=round(record.seconds + seconds, 3))


def _item(shape: Shape) -> Json:
    return {
        "key": shape.measured_key,
        "artifact": shape.model,
        "inputs": shape.inputs,
        "input_type": shape.facts["input_type"],
        "input_shape": shape.facts["input_shape"],
        "outputs": shape.outputs,
        "output_shape": shape.facts["output_shape"],
        "threads": shape.threads,
    }


def manifest_artifacts(manifest: bytes) -> list[str]:
    """Every artifact that a device needs for a probe: what its agent may fetch."""
    value = json.loads(manifest)
    entries = [*value["items"], value["reference"]]
    return distinct([entry[name] for entry in entries for name in ("artifact", "inputs", "outputs")])
