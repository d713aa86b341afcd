"""A trial: one variant of one tuned model, its stages and its measurements.

    pending -> running -> completed | stopped | failed | infeasible

`infeasible` is decided by PROBE before a round is spent; `stopped` are trials that the scheduler gave up at a rung, and
what was left when the budget was spent or the operator ended the study. The four on the right are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.errors import Conflict
from autoglm_core.measurement import Measurement, measurements_from_json, measurements_to_json
from autoglm_core.reason import Reason
from autoglm_core.training_cost import NO_COST, TrainingCost


class TrialState(StrEnum):
    """Where a trial stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INFEASIBLE = "infeasible"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self not in (TrialState.PENDING, TrialState.RUNNING)


TRANSITIONS: Mapping[TrialState, frozenset[TrialState]] = {
    TrialState.PENDING: frozenset({TrialState.RUNNING, TrialState.INFEASIBLE, TrialState.FAILED, TrialState.STOPPED}),
    TrialState.RUNNING: frozenset({TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED, TrialState.INFEASIBLE}),
    TrialState.COMPLETED: frozenset(),
    TrialState.STOPPED: frozenset(),
    TrialState.FAILED: frozenset(),
    TrialState.INFEASIBLE: frozenset(),
}


AT_A_RUNG = (TrialState.STOPPED, TrialState.RUNNING)
"""Figures of training in these states are those of a rung: it was stopped there, or has paused."""


class IllegalTransition(Conflict):
    """A trial was asked to go where its state does not lead."""

    code = "illegal-transition"

    def __init__(self, *, state: TrialState, asked: TrialState) -> None:
        super().__init__(f"a trial that is {state} cannot become {asked}", state=str(state), asked=str(asked))


class StageName(StrEnum):
    """The stages of a trial's life."""

    PROBE = "PROBE"
    TUNE = "TUNE"
    COMPRESS = "COMPRESS"
    EVALUATE = "EVALUATE"
    TEST = "TEST"


@dataclass(frozen=True)
class StageRecord:
    """One stage of one trial: its content `key`, whether it came from the cache, and wall `seconds`.

    Of a TUNE: its `rounds`, sites `dropped` from them, `bytes` that all sites sent and received, what training `cost`
    the sites, how many parameters are `trained`: those of the vector that is averaged, of how many that the network has
    in `total`, and what its workload `counted` while it trained, summed over sites and rounds.
    """

    name: StageName
    key: str
    cached: bool
    seconds: float
    rounds: int = 0
    dropped: int = 0
    bytes: int = 0
    cost: TrainingCost = NO_COST
    trained: int = 0
    total: int = 0
    counted: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> Json:
        """As in result.json."""
        value: Json = {
            "name": str(self.name),
            "key": f"sha256:{self.key}",
            "cached": self.cached,
            "seconds": self.seconds,
        }
        if self.name is StageName.TUNE:
            value |= {"rounds": self.rounds, "dropped": self.dropped, "bytes": self.bytes}
            value |= {"trained_parameters": self.trained, "total_parameters": self.total}
            value |= _cost_to_json(self.cost)
            value["counted"] = dict(self.counted)
        return value

    @classmethod
    def from_json(cls, value: Json) -> StageRecord:
        """Inverse of `to_json`."""
        return cls(
            name=StageName(value["name"]),
            key=value["key"].removeprefix("sha256:"),
            cached=value["cached"],
            seconds=value["seconds"],
            rounds=value.get("rounds", 0),
            dropped=value.get("dropped", 0),
            bytes=value.get("bytes", 0),
            cost=_cost_from_json(value),
            trained=value.get("trained_parameters", 0),
            total=value.get("total_parameters", 0),
            counted=value.get("counted", {}),
        )


def _cost_to_json(cost: TrainingCost) -> Json:
    """`joules` are all of them, and `modelled_joules` those among them that no meter measured."""
    return {
        "site_seconds": cost.seconds,
        "joules": round(cost.joules, 6),
        "modelled_joules": cost.modelled,
        "memory_mb": cost.memory_mb,
    }


def _cost_from_json(value: Json) -> TrainingCost:
    modelled = value.get("modelled_joules", 0.0)
    measured = round(value.get("joules", 0.0) - modelled, 6)
    return TrainingCost(value.get("site_seconds", 0.0), measured, modelled, value.get("memory_mb", 0.0))


@dataclass(frozen=True)
class Trial:
    """A trial as the store holds it.

    `measurements`: by device class, then by metric. `refused_by`: device classes whose constraints the shape broke.
    `reason`: why it was suggested.
    """

    number: int
    configuration: Configuration
    state: TrialState = TrialState.PENDING
    stages: tuple[StageRecord, ...] = ()
    measurements: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)
    refused_by: tuple[str, ...] = ()
    error: Json | None = None
    reason: Reason | None = None

    def check_transition(self, asked: TrialState) -> None:
        """Raise `IllegalTransition` unless `asked` may follow."""
        if asked not in TRANSITIONS[self.state]:
            raise IllegalTransition(state=self.state, asked=asked)

    def to_json(self) -> Json:
        """As in result.json."""
        value: Json = {
            "id": self.number,
            "state": str(self.state),
            "configuration": self.configuration.to_json(),
            "stages": [stage.to_json() for stage in self.stages],
            "measurements": {name: measurements_to_json(entry) for name, entry in self.measurements.items()},
        }
        if self.refused_by:
            value["refused_by"] = list(self.refused_by)
        if self.reason is not None:
            value["reason"] = self.reason.to_json()
        return value if self.error is None else {**value, "error": self.error}

    @classmethod
    def from_json(cls, value: Json) -> Trial:
        """Inverse of `to_json`."""
        return cls(
            number=value["id"],
            configuration=Configuration.from_json(value["configuration"]),
            state=TrialState(value["state"]),
            stages=tuple(StageRecord.from_json(stage) for stage in value["stages"]),
            measurements={name: measurements_from_json(entry) for name, entry in value["measurements"].items()},
            refused_by=tuple(value.get("refused_by", ())),
            error=value.get("error"),
            reason=Reason.from_json(value["reason"]) if "reason" in value else None,
        )


@dataclass(frozen=True)
class TrialCost:
    """What a trial took.

    `tune_seconds`: wall time of its whole TUNE, which all variants of the tuned model share; `variant_seconds`: what
    this variant alone added (PROBE, COMPRESS, EVALUATE); `tune_bytes`: what all sites sent and received in the TUNE;
    `tune_joules`: what they spent on its training, measured and modelled together.
    """

    tune_seconds: float
    variant_seconds: float
    tune_bytes: int
    tune_joules: float = 0.0


@dataclass(frozen=True)
class Observation:
    """What a sampler learns of a configuration.

    `values`: metric -> measurement, merged over the device classes that accept the trial; empty where nothing was
    measured. `fidelity`: rounds behind the figures. `infeasible`: every class refused it.
    `classes`: device class -> metric -> measurement, unmerged, of every class that was measured; `refused_by`: those
    among them, or beside them, in which a constraint does not hold.
    """

    configuration: Configuration
    values: Mapping[str, Measurement]
    fidelity: int
    state: TrialState
    classes: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)
    refused_by: tuple[str, ...] = ()
    cost: TrialCost | None = None
