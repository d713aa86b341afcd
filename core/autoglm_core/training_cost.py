"""What local training costs the sites: seconds, joules and memory, of one site or of several together.

It is counted where it is spent and leaves a site in the secure sum of the round alone, so that no site's own figures
are known. A site's joules are measured by a meter or modelled, never both. They are summed together, and beside them
how many sites have a meter: two sums apart would be a site's own figures where it is the only one of its kind. Of a
round over sites of both kinds the measured joules are therefore told by the share of sites that measure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum

import numpy as np

from autoglm_core.canonical import Json
from autoglm_core.counters import CounterField, CounterLayout, Counters

MILLIONTHS = 1e6
COST_LAYOUT = CounterLayout(
    (
        CounterField("training_seconds", scale=MILLIONTHS),
        CounterField("joules", scale=MILLIONTHS),
        CounterField("metered_sites"),
        CounterField("memory_mb"),
    )
)
"""A site's own cost of one training session, beside what its workload counts."""


@dataclass(frozen=True)
class TrainingCost:
    """Figures of a whole, whose parts are sites or rounds.

    Attributes:
        seconds: wall time of the trainings, added up over sites and rounds.
        measured: joules by a meter, idle power and all else that it cannot tell apart included.
        modelled: joules of sites without a meter, processor seconds times declared watts.
        memory_mb: peak of the process that trains, in 1e6 bytes; of several sites their mean, of several rounds the
            largest.
    """

    seconds: float = 0.0
    measured: float = 0.0
    modelled: float = 0.0
    memory_mb: float = 0.0

    @property
    def joules(self) -> float:
        """Measured and modelled ones together."""
        return self.measured + self.modelled

    def counters(self) -> Counters:
        """One site's, as in `COST_LAYOUT`."""
        figures = (self.seconds, self.joules, float(self.measured > 0), self.memory_mb)
        return {field.name: np.array(figure) for field, figure in zip(COST_LAYOUT.fields, figures, strict=True)}

    @classmethod
    def of_sum(cls, counters: Counters, *, sites: int) -> TrainingCost:
        """From counters that were summed over so many sites; a sum below 0 is a site's lie and counts nothing."""
        seconds, joules, metered, memory = (max(0.0, float(counters[field.name])) for field in COST_LAYOUT.fields)
        measured = joules * min(1.0, metered / sites)
        return cls(seconds, measured, joules - measured, memory / sites)

    @classmethod
    def of_rounds(cls, rounds: Iterable[TrainingCost]) -> TrainingCost:
        """Of several rounds together."""
        every = list(rounds)
        return cls(
            seconds=round(fsum(entry.seconds for entry in every), 6),
            measured=round(fsum(entry.measured for entry in every), 6),
            modelled=round(fsum(entry.modelled for entry in every), 6),
            memory_mb=round(max((entry.memory_mb for entry in every), default=0.0), 1),
        )

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {
            "seconds": self.seconds,
            "measured_joules": self.measured,
            "modelled_joules": self.modelled,
            "memory_mb": self.memory_mb,
        }

    @classmethod
    def from_json(cls, value: Json) -> TrainingCost:
        """Inverse of `to_json`."""
        return cls(value["seconds"], value["measured_joules"], value["modelled_joules"], value["memory_mb"])


NO_COST = TrainingCost()
