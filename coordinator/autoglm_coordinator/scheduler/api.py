"""The scheduler decides budget: at a rung, whether a TUNE goes on. Rungs are rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from autoglm_core.canonical import Json
from autoglm_core.measurement import Measurement, measurements_from_json, measurements_to_json


class Decision(StrEnum):
    """What becomes of a TUNE at a rung."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True)
class RungValue:
    """One TUNE at one rung.

    `tune`: the TUNE key. `round`: the rung. `validation`: the cohort's metrics of the model at that round. `costs`:
    what PROBE measured of the TUNE's variants, one figure per device class and metric (any naming that is the same for
    all TUNEs of a study), the lowest over its variants, smaller is better; empty where it is not known.
    """

    tune: str
    round: int
    validation: Mapping[str, Measurement]
    costs: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {
            "tune": self.tune,
            "round": self.round,
            "validation": measurements_to_json(self.validation),
            "costs": dict(self.costs),
        }

    @classmethod
    def from_json(cls, value: Json) -> RungValue:
        """Inverse of `to_json`."""
        return cls(
            tune=value["tune"],
            round=int(value["round"]),
            validation=measurements_from_json(value["validation"]),
            costs={name: float(cost) for name, cost in value.get("costs", {}).items()},
        )


class Scheduler(Protocol):
    """Pure: the same arguments give the same decision, in whatever order `others` stand."""

    def decide(self, current: RungValue, others: Sequence[RungValue]) -> Decision:
        """Whether `current` goes on, given all that is known of the study's TUNEs at their rungs.

        `others` may hold `current` itself and values of other rungs; both are ignored.
        """
        ...
