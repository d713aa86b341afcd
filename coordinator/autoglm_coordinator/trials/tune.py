"""TUNE: federated rounds on the cohort until the last round, or until the scheduler stops at a rung.

Every round is one commit: weights, aggregator state and counters together. After a crash the TUNE goes on behind the
last commit, and because initial weights, training seeds, rounding and the integer sum are functions of the TUNE key
and the round, a round that is run again gives the same bits.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoglm_compression.updates.error_feedback import feedback_in_force
from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_coordinator.federation.aggregators import load_aggregator
from autoglm_coordinator.federation.rounds import counted_last, never_the_same
from autoglm_coordinator.federation.sessions import Request, training_seed
from autoglm_coordinator.scheduler.api import Decision, RungValue, Scheduler
from autoglm_coordinator.store.api import RoundRecord
from autoglm_coordinator.trials.context import StudyContext, stage_key
from autoglm_coordinator.trials.stages import Tools
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import without_prefix
from autoglm_core.measurement import Measurement, Split, measurements_from_json, measurements_to_json
from autoglm_core.objective import Direction
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.study import Study
from autoglm_core.task import ManifestItem
from autoglm_core.trial import StageName, StageRecord, Trial
from autoglm_core.workload import Vector

LOG = logging.getLogger(__name__)
ITEM = "model"
"""The key of the one model in a TRAIN or VALIDATE session."""


@dataclass(frozen=True)
class Tuned:
    """A TUNE that ended.

    `parameters`: artifact of the weights; `validation`: the received model's, after the last round run.
    """

    key: str
    parameters: str
    rounds: int
    dropped: int
    stopped: bool
    validation: dict[str, Measurement]

    def to_json(self) -> Json:
        """As stored under the TUNE key."""
        return {
            "parameters": self.parameters,
            "rounds": self.rounds,
            "dropped": self.dropped,
            "stopped": self.stopped,
            "validation": measurements_to_json(self.validation),
        }

    @classmethod
    def from_json(cls, key: str, value: Json) -> Tuned:
        """Inverse of `to_json`."""
        validation = measurements_from_json(value["validation"])
        return cls(key, value["parameters"], value["rounds"], value["dropped"], value["stopped"], validation)


class Tuning:
    """One TUNE of one study."""

    def __init__(
        self,
        context: StudyContext,
        tools: Tools,
        scheduler: Scheduler,
        tune: Values,
        *,
        costs: Mapping[str, float],
        earlier: Sequence[RungValue],
    ) -> None:
        self._context = context
        self._tools = tools
        self._scheduler = scheduler
        self._costs = costs
        self._earlier = earlier
        self._configuration = Configuration(tune=tune)
        self.key = context.tune_key(tune)

    async def run(self) -> tuple[Tuned, StageRecord]:
        """Go on behind the last committed round, to the end.

        Raises:
            SessionFailed: a round found no cohort that stays.
        """
        start = time.monotonic()
        stored = await self._tools.store.get_stage(self.key)
        tuned = Tuned.from_json(self.key, stored) if stored else await self._tune()
        if stored is None:
            await self._tools.store.put_stage(str(StageName.TUNE), self.key, tuned.to_json())
        seconds = round(time.monotonic() - start, 3)
        record = StageRecord(StageName.TUNE, self.key, stored is not None, seconds, tuned.rounds, tuned.dropped)
        return tuned, record

    async def _tune(self) -> Tuned:
        record = await self._tools.store.latest_round(self.key) or await self._begin()
        parameters, state = await self._load(record)
        rounds = self._context.study.rounds
        validation: dict[str, Measurement] = {}
        stopped = False
        while not stopped:
            if record.round in self._context.study.rungs:
                validation = await self._validate(record)
                stopped = record.round < rounds and self._stops(record, validation)
            if stopped or record.round == rounds:
                break
            record, parameters, state = await self._round(record, parameters, state)
        dropped = sum(len(entry.dropped) for entry in await self._tools.store.rounds(self.key))
        return Tuned(self.key, record.model, record.round, dropped, stopped, validation)

    async def _begin(self) -> RoundRecord:
        context = self._context
        tune = dict(self._configuration.tune)
        # Never zeros, and no two TUNEs alike: what a site sends then says nothing about another TUNE's model.
        seed = hashlib.sha256(f"autoglm/v1/initial/{context.study.seed}/{self.key}".encode()).hexdigest()
        reply = await self._tools.in_child("initial", {"study": context.study_json, "tune": tune, "seed": seed})
        model = await self._tools.store.put_artifact(bytes(reply.blobs[0]))
        record = RoundRecord(tune_key=self.key, round=0, model=model, aggregator_state=None, counters={})
        await self._tools.store.commit_round(record)
        return record

    async def _load(self, record: RoundRecord) -> tuple[Vector, AggregatorState]:
        weights = await self._tools.store.get_artifact(record.model)
        state = AggregatorState()
        if record.aggregator_state is not None:
            state = AggregatorState.decode(await self._tools.store.get_artifact(record.aggregator_state))
        return np.frombuffer(weights, dtype="<f4"), state

    def _item(self, model: str) -> ManifestItem:
        return ManifestItem(ITEM, model, "parameters", self._configuration)

    async def _round(
        self, record: RoundRecord, parameters: Vector, state: AggregatorState
    ) -> tuple[RoundRecord, Vector, AggregatorState]:
        context, number = self._context, record.round + 1
        begun = time.monotonic()
        context.progress.stage, context.progress.round = "TUNE", number
        request = Request(
            purpose=Purpose.TRAIN,
            items=(self._item(record.model),),
            split=Split.TRAIN,
            trial=self.key,
            round=number,
            dimension=parameters.size,
            weight_cap=int(context.summed_constants()["rows"].sum()),
            seed=training_seed(self.key, number),
            counted=await self._counted(parameters.size),
        )
        outcome = await self._tools.sessions.run(context, request)
        summed = time.monotonic()
        aggregator = load_aggregator(self._configuration.tune)
        moved, state = await asyncio.to_thread(aggregator.step, parameters, outcome.delta, state)
        parameters = never_the_same(moved, parameters)
        store = self._tools.store
        model = await store.put_artifact(parameters.astype("<f4", copy=False).tobytes())
        encoded = state.encode()
        record = RoundRecord(
            tune_key=self.key,
            round=number,
            model=model,
            aggregator_state=await store.put_artifact(encoded) if encoded else None,
            counters={name: array.tolist() for name, array in outcome.counters.items()},
            survivors=outcome.survivors,
            dropped=outcome.dropped,
            session_id=outcome.session_id,
        )
        await store.commit_round(record)
        ended = time.monotonic()
        LOG.info(
            "round tune=%s round=%d seconds=%.4f session=%.4f aggregate-and-commit=%.4f dropped=%d",
            self.key[:12],
            number,
            ended - begun,
            summed - begun,
            ended - summed,
            len(outcome.dropped),
        )
        return record, parameters, state

    async def _counted(self, dimension: int) -> Mapping[str, str]:
        """By which each site knows the residual that it goes on from, where there are residuals."""
        if not feedback_in_force(self._context.study.protection, dimension):
            return {}
        return counted_last(await self._tools.store.rounds(self.key))

    async def _validate(self, record: RoundRecord) -> dict[str, Measurement]:
        key = rung_key(self.key, record.round)
        stored = await self._tools.store.get_stage(key)
        if stored is not None:
            return measurements_from_json(stored["validation"])
        request = Request(
            purpose=Purpose.VALIDATE,
            items=(self._item(record.model),),
            split=Split.VALIDATION,
            trial=self.key,
            round=record.round,
        )
        outcome = await self._tools.sessions.run(self._context, request)
        side = self._context.workload.model_side
        scores = side.score(without_prefix(outcome.counters, ITEM), Split.VALIDATION)
        stored = {"validation": measurements_to_json(scores)}
        await self._tools.store.put_stage("RUNG", key, stored, session_id=outcome.session_id)
        return scores

    def _stops(self, record: RoundRecord, validation: dict[str, Measurement]) -> bool:
        # Compared with earlier TUNEs alone, in trial order: the same history decides alike after a restart.
        decision = self._scheduler.decide(RungValue(self.key, record.round, validation, self._costs), self._earlier)
        return decision is Decision.STOP


def rung_key(tune_key: str, number: int) -> str:
    """Stage key of the validation counters after round `number`."""
    return stage_key("RUNG", tune_key, number)


def lowest_costs(study: Study, group: Sequence[Trial]) -> dict[str, float]:
    """Per device class and objective that PROBE knows: the lowest figure over a TUNE's variants, smaller is better."""
    costs: dict[str, float] = {}
    for objective in study.objectives:
        sign = -1.0 if objective.direction is Direction.MAXIMIZE else 1.0
        for trial in group:
            for name, figures in trial.measurements.items():
                measured = figures.get(objective.metric)
                if measured is not None and measured.split is None:
                    label = f"{name}/{objective.metric}"
                    costs[label] = min(costs.get(label, math.inf), sign * measured.mean)
    return costs


async def rung_values(context: StudyContext, tools: Tools, trials: Sequence[Trial]) -> list[RungValue]:
    """What the TUNEs of `trials` reached at each rung, as far as they came."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(context.tune_key(trial.configuration.tune), []).append(trial)
    values = []
    for key, group in groups.items():
        costs = lowest_costs(context.study, group)
        for number in context.study.rungs:
            stored = await tools.store.get_stage(rung_key(key, number))
            if stored is not None:
                values.append(RungValue(key, number, measurements_from_json(stored["validation"]), costs))
    return values
