"""COMPRESS and EVALUATE: make variants of a tuned model, and let the sites count how good each one is.

Activation ranges for static quantization come from one CALIBRATE session: every site counts its activations into
log-spaced histograms, and only their sum is known here. All variants of one tuned model share one session for each
purpose, and its seconds: each of the k variants that waited for it is charged a k-th.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoglm_coordinator.federation.sessions import Request
from autoglm_coordinator.store.api import Store
from autoglm_coordinator.trials.batches import TOGETHER, batches
from autoglm_coordinator.trials.context import StudyContext, stage_key
from autoglm_coordinator.trials.stages import Tools, cached
from autoglm_coordinator.trials.tune import Tuned
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.counters import without_prefix
from autoglm_core.errors import NotFound
from autoglm_core.measurement import Measurement, Split, measurements_from_json, measurements_to_json
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.task import ManifestItem
from autoglm_core.trial import StageName, StageRecord, Trial


@dataclass(frozen=True)
class Variant:
    """An exported variant: its ONNX artifact and exact facts."""

    configuration: Configuration
    model: str
    facts: Json
    record: StageRecord


@dataclass(frozen=True)
class Calibrated:
    """Summed histograms of one variant, and its share of the session's `seconds`: none where they were in the store."""

    histograms: list[int]
    seconds: float


class Compressing:
    """COMPRESS for the variants of one tuned model."""

    def __init__(self, context: StudyContext, tools: Tools, tuned: Tuned) -> None:
        self._context = context
        self._tools = tools
        self._tuned = tuned

    async def run(self, configurations: Sequence[Configuration]) -> list[Variant]:
        """Export every configuration, calibrating those that are quantized statically."""
        self._context.progress.stage = "COMPRESS"
        calibrated = await self._calibrate([entry for entry in configurations if self._needs_calibration(entry)])
        return [await self._export(entry, calibrated.get(self._key(entry))) for entry in configurations]

    def _key(self, configuration: Configuration) -> str:
        shape = self._context.workload.model_side.shape_key(self._context.study, configuration)
        return stage_key("COMPRESS", self._context.workload.version, self._tuned.parameters, shape)

    def _needs_calibration(self, configuration: Configuration) -> bool:
        """Whether activations are quantized ahead of time, and there are any to quantize."""
        if configuration.deploy.get("quantization") != "int8-static":
            return False
        return self._context.workload.model_side.calibrate_layout(self._context.study, configuration).size > 0

    def _meta(self, configuration: Configuration) -> Json:
        return {
            "study": self._context.study_json,
            "configuration": configuration.to_json(),
            "constants": list(self._context.constants or ()),
        }

    async def _calibrate(self, configurations: Sequence[Configuration]) -> dict[str, Calibrated]:
        """By variant key, from the store or from one session over what is missing there."""
        found: dict[str, Calibrated] = {}
        missing: list[Configuration] = []
        for configuration in configurations:
            key = self._key(configuration)
            stored = await self._tools.store.get_stage(stage_key("CALIBRATE", key))
            if stored is not None:
                found[key] = Calibrated(stored["histograms"], 0.0)
            else:
                missing.append(configuration)
        if missing:
            begun = time.monotonic()
            histograms = await self._calibration_session({self._key(entry): entry for entry in missing})
            share = (time.monotonic() - begun) / len(missing)
            found |= {key: Calibrated(entry, share) for key, entry in histograms.items()}
        return found

    async def _calibration_session(self, missing: Mapping[str, Configuration]) -> dict[str, list[int]]:
        weights = await self._tools.store.get_artifact(self._tuned.parameters)
        items = []
        for key, configuration in missing.items():
            reply = await self._tools.in_child("export-calibration", self._meta(configuration), [weights])
            model = await self._tools.store.put_artifact(bytes(reply.blobs[0]))
            items.append(ManifestItem(key, model, "calibration", configuration))
        request = Request(Purpose.CALIBRATE, tuple(items), Split.TRAIN, trial=self._tuned.key, round=self._tuned.rounds)
        outcome = await self._tools.sessions.run(self._context, request)
        side, found = self._context.workload.model_side, {}
        for key, configuration in missing.items():
            layout = side.calibrate_layout(self._context.study, configuration)
            found[key] = layout.encode(without_prefix(outcome.counters, key)).tolist()
        stored = {stage_key("CALIBRATE", key): {"histograms": histograms} for key, histograms in found.items()}
        await self._tools.store.put_stages("CALIBRATE", stored, session_id=outcome.session_id)
        return found

    async def _export(self, configuration: Configuration, calibrated: Calibrated | None) -> Variant:
        async def compute() -> Json:
            weights = await self._tools.store.get_artifact(self._tuned.parameters)
            meta = {**self._meta(configuration), "histograms": calibrated and calibrated.histograms}
            reply = await self._tools.in_child("export", meta, [weights])
            return {"model": await self._tools.store.put_artifact(bytes(reply.blobs[0])), "facts": reply.meta}

        result, record = await cached(self._tools, StageName.COMPRESS, self._key(configuration), compute)
        if calibrated is not None:
            record = replace(record, seconds=round(record.seconds + calibrated.seconds, 3))
        return Variant(configuration, result["model"], result["facts"], record)


async def variant_of(store: Store, trial: Trial) -> Variant:
    """The exported variant of a completed trial."""
    record = next(stage for stage in trial.stages if stage.name is StageName.COMPRESS)
    stored = await store.get_stage(record.key)
    if stored is None:
        raise NotFound(f"the store holds no variant of trial {trial.number}", trial=trial.number)
    return Variant(trial.configuration, stored["model"], stored["facts"], record)


async def evaluate(
    context: StudyContext, tools: Tools, variants: Sequence[Variant], *, purpose: Purpose, trial: str
) -> dict[str, tuple[dict[str, Measurement], StageRecord]]:
    """Scores by ONNX artifact, from a session over those that were never evaluated on that split.

    Models that are too large for one session share several, each of them in one.
    """
    split = Split.TEST if purpose is Purpose.TEST else Split.VALIDATION
    name = StageName.TEST if purpose is Purpose.TEST else StageName.EVALUATE
    context.progress.stage = str(name)
    results: dict[str, tuple[dict[str, Measurement], StageRecord]] = {}
    missing: list[Variant] = []
    for variant in variants:
        key = _evaluation_key(context, variant, split)
        stored = await tools.store.get_stage(key)
        if stored is None:
            missing.append(variant)
        else:
            results[variant.model] = (measurements_from_json(stored["scores"]), StageRecord(name, key, True, 0.0))
    for part in _parts(missing):
        results |= await _evaluation_session(context, tools, part, purpose, trial)
    return results


def _parts(variants: Sequence[Variant]) -> list[list[Variant]]:
    """The variants of each session; all that share a model are in one, for a site gives its counters once."""
    by_model: dict[str, list[Variant]] = {}
    for variant in variants:
        by_model.setdefault(variant.model, []).append(variant)
    found = batches(list(by_model.values()), size=_bytes, room=TOGETHER, most=max(1, len(by_model)))
    return [[variant for alike in part for variant in alike] for part in found]


def _bytes(alike: Sequence[Variant]) -> int:
    return int(alike[0].facts["size_bytes"])


def _evaluation_key(context: StudyContext, variant: Variant, split: Split) -> str:
    data = [context.study.data, context.study.schema.hash, context.study.to_json()["split"], list(context.sites)]
    return stage_key("EVALUATE", context.workload.name, context.workload.version, data, variant.model, str(split))


async def _evaluation_session(
    context: StudyContext, tools: Tools, variants: Sequence[Variant], purpose: Purpose, trial: str
) -> dict[str, tuple[dict[str, Measurement], StageRecord]]:
    begun = time.monotonic()
    split = Split.TEST if purpose is Purpose.TEST else Split.VALIDATION
    name = StageName.TEST if purpose is Purpose.TEST else StageName.EVALUATE
    models = {variant.model: variant for variant in variants}  # variants may share one, and a session holds it once
    items = tuple(ManifestItem(model, model, "onnx", variant.configuration) for model, variant in models.items())
    outcome = await tools.sessions.run(context, Request(purpose, items, split, trial=trial))
    share = round((time.monotonic() - begun) / len(variants), 3)
    results = {}
    for model, variant in models.items():
        scores = context.workload.model_side.score(without_prefix(outcome.counters, model), split)
        results[model] = (scores, StageRecord(name, _evaluation_key(context, variant, split), False, share))
    # All or none: the sites gave these models' counters once, together, and would refuse a session over some of them.
    stored = {record.key: {"scores": measurements_to_json(scores)} for scores, record in results.values()}
    await tools.store.put_stages(str(name), stored, session_id=outcome.session_id)
    return results
