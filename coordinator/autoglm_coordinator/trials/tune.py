"""TUNE: federated rounds on the cohort, from rung to rung; at each the cohort validates the model.

A TUNE that pauses at a rung costs nothing, and goes on whenever the scheduler says so. Every round is one commit:
weights, aggregator state and counters together. After a crash the TUNE goes on behind the last commit, and because
initial weights, training seeds, rounding and the integer sum are functions of the TUNE key and the round, a round that
is run again gives the same bits.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoglm_compression.updates.error_feedback import feedback_in_force
from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_coordinator.federation.aggregators import load_aggregator
from autoglm_coordinator.federation.rounds import counted_last, never_the_same
from autoglm_coordinator.federation.sessions import Request, training_seed
from autoglm_coordinator.store.api import RoundRecord
from autoglm_coordinator.trials.context import StudyContext, stage_key
from autoglm_coordinator.trials.stages import Tools
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import without_prefix
from autoglm_core.measurement import Measurement, Split, measurements_from_json, measurements_to_json
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.task import ManifestItem
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import StageName, StageRecord
from autoglm_core.workload import CountsParameters, Vector

LOG = logging.getLogger(__name__)
ITEM = "model"
"""The key of the one model in a TRAIN or VALIDATE session."""


@dataclass(frozen=True)
class Tuned:
    """A TUNE at a rung.

    `parameters`: artifact of the weights; `validation`: the received model's; `bytes`: that all sites sent and received
    up to here, and `seconds` that it took; `cost`: of training at the sites; `trained`: parameters that it moves,
    of the network's `total`; `counted`: as in `StageRecord`; `cached`: it lay in the store.
    """

    key: str
    parameters: str
    rounds: int
    dropped: int
    validation: dict[str, Measurement]
    bytes: int
    seconds: float
    cost: TrainingCost
    trained: int
    total: int
    counted: Mapping[str, float]
    cached: bool = False

    def to_json(self) -> Json:
        """As stored under the rung's key."""
        return {
            "parameters": self.parameters,
            "rounds": self.rounds,
            "dropped": self.dropped,
            "validation": measurements_to_json(self.validation),
            "bytes": self.bytes,
            "seconds": self.seconds,
            "cost": self.cost.to_json(),
            "trained": self.trained,
            "total": self.total,
            "counted": dict(self.counted),
        }

    @classmethod
    def from_json(cls, key: str, value: Json) -> Tuned:
        """Inverse of `to_json`, of what lay in the store."""
        names = ("parameters", "rounds", "dropped", "bytes", "seconds", "trained", "total", "counted")
        figures = {name: value[name] for name in names}
        validation, cost = measurements_from_json(value["validation"]), TrainingCost.from_json(value["cost"])
        return cls(key, validation=validation, cost=cost, **figures, cached=True)

    @property
    def record(self) -> StageRecord:
        """Of the TUNE as far as it came."""
        return StageRecord(
            StageName.TUNE,
            self.key,
            self.cached,
            self.seconds,
            rounds=self.rounds,
            dropped=self.dropped,
            bytes=self.bytes,
            cost=self.cost,
            trained=self.trained,
            total=self.total,
            counted=self.counted,
        )


class Tuning:
    """One TUNE of one study."""

    def __init__(self, context: StudyContext, tools: Tools, tune: Values) -> None:
        self._context = context
        self._tools = tools
        self._configuration = Configuration(tune=tune)
        self.key = context.tune_key(tune)

    async def to_rung(self, rung: int) -> Tuned:
        """Go on behind the last committed round, up to `rung`; a rung that lies in the store is not climbed again.

        Raises:
            SessionFailed: a round found no cohort that stays.
        """
        stored = await self._tools.store.get_stage(rung_key(self.key, rung))
        return await self._climb(rung) if stored is None else Tuned.from_json(self.key, stored)

    async def _climb(self, rung: int) -> Tuned:
        begun = time.monotonic()
        record = await self._tools.store.latest_round(self.key) or await self._begin()
        parameters, state = await self._load(record)
        while record.round < rung:
            record, parameters, state = await self._round(record, parameters, state)
        return await self._validate(record, begun, trained=parameters.size)

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
        outcome = await self._tools.sessions.run(context, await self._request(record, parameters.size))
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
            study_id=context.study_id,
            cost=outcome.cost,
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

    async def _request(self, record: RoundRecord, dimension: int) -> Request:
        """For the round behind `record`."""
        number = record.round + 1
        return Request(
            purpose=Purpose.TRAIN,
            items=(self._item(record.model),),
            split=Split.TRAIN,
            trial=self.key,
            round=number,
            dimension=dimension,
            weight_cap=int(self._context.summed_constants()["rows"].sum()),
            seed=training_seed(self.key, number),
            counted=await self._counted(dimension),
        )

    async def _counted(self, dimension: int) -> Mapping[str, str]:
        """By which each site knows the residual that it goes on from, where there are residuals."""
        if not feedback_in_force(self._context.study.protection, dimension):
            return {}
        return counted_last(await self._tools.store.rounds(self.key))

    async def _validate(self, record: RoundRecord, begun: float, *, trained: int) -> Tuned:
        """What the cohort counts of the model, stored in one commit with the end of its session."""
        self._context.progress.stage = "TUNE"
        store = self._tools.store
        request = Request(
            Purpose.VALIDATE,
            items=(self._item(record.model),),
            split=Split.VALIDATION,
            trial=self.key,
            round=record.round,
        )
        outcome = await self._tools.sessions.run(self._context, request)
        scores = self._context.workload.model_side.score(without_prefix(outcome.counters, ITEM), Split.VALIDATION)
        below, rounds = await self._below(record.round), await store.rounds(self.key)
        seconds = time.monotonic() - begun + (0.0 if below is None else float(below["seconds"]))
        tuned = Tuned(
            self.key,
            record.model,
            record.round,
            dropped=sum(len(entry.dropped) for entry in rounds),
            validation=scores,
            bytes=await store.tune_bytes(self.key),
            seconds=round(seconds, 3),
            cost=TrainingCost.of_rounds(entry.cost for entry in rounds),
            trained=trained,
            total=self._total_parameters(trained),
            counted=counted_in(rounds),
        )
        kind = "TUNE" if record.round == self._context.study.rounds else "RUNG"
        key = rung_key(self.key, record.round)
        await store.put_stage(kind, key, tuned.to_json(), session_id=outcome.session_id)
        return tuned

    def _total_parameters(self, trained: int) -> int:
        side = self._context.workload.model_side
        if not isinstance(side, CountsParameters):
            return trained
        return side.total_parameters(self._context.study, self._configuration.tune)

    async def _below(self, rung: int) -> Json | None:
        """What is stored of the rung below."""
        lower = [entry for entry in self._context.study.rungs if entry < rung]
        return await self._tools.store.get_stage(rung_key(self.key, lower[-1])) if lower else None


def counted_in(rounds: Sequence[RoundRecord]) -> dict[str, float]:
    """What a TUNE's sites counted in training, each single number summed over the rounds; by the workload's names."""
    sums: dict[str, float] = {}
    for record in rounds:
        for name, value in record.counters.items():
            if not isinstance(value, list):
                plain = name.removeprefix(f"{ITEM}/")
                sums[plain] = round(sums.get(plain, 0.0) + value, 6)
    return sums


def rung_key(tune_key: str, number: int) -> str:
    """Stage key of a TUNE as it stood after round `number`."""
    return stage_key("RUNG", tune_key, number)
