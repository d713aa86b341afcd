"""What the same model reaches when all rows lie in one place: the figure that federated tuning must not lose to.

The rows of every site are loaded and joined in process, and one site that holds them all runs the same configuration:
same number of rounds, same aggregator, same workload. Nothing is masked, nothing travels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_coordinator.federation.aggregators import load_aggregator
from autoglm_core.configuration import Values
from autoglm_core.counters import Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.study import Study
from autoglm_core.workload import LocalRound, Vector, Workload
from autoglm_workloads.family import LabelledRows
from autoglm_workloads.registry import load_workload
from autoglm_workloads.splitting import SplitRows


@dataclass(frozen=True)
class Pool:
    """The rows of all `sites` of `study`, each as the workload's `load` returned them."""

    study: Study
    sites: Sequence[LabelledRows]

    @classmethod
    def load(cls, study: Study, files: Sequence[Path]) -> Pool:
        """The rows of each site's file."""
        load = load_workload(study.workload).site_side.load
        return cls(study, [load(path, study) for path in files])

    @cached_property
    def workload(self) -> Workload:
        """The study's."""
        return load_workload(self.study.workload)

    @cached_property
    def rows(self) -> LabelledRows:
        """All rows together; each keeps its split."""
        starts = np.cumsum([0, *(site.labels.size for site in self.sites)])
        splits = {
            split: np.concatenate(
                [site.splits.of(split) + start for site, start in zip(self.sites, starts, strict=False)]
            )
            for split in Split
        }
        return LabelledRows(
            np.concatenate([site.inputs for site in self.sites]),
            np.concatenate([site.labels for site in self.sites]),
            SplitRows(splits[Split.TRAIN], splits[Split.VALIDATION], splits[Split.TEST]),
        )

    @cached_property
    def constants(self) -> Counters:
        """Of all training rows."""
        return self.workload.site_side.constants(self.rows, self.study)

    def trained(self, tune: Values, *, rounds: int) -> Vector:
        """Weights after `rounds` rounds of one site that holds all training rows."""
        site, aggregator, state = self.workload.site_side, load_aggregator(tune), AggregatorState()
        parameters = self.workload.model_side.initial(self.study, tune, bytes(32))
        for number in range(1, rounds + 1):
            at = LocalRound(number, number.to_bytes(32, "big"))
            outcome = site.train(self.rows, self.study, tune, parameters, self.constants, at)
            parameters, state = aggregator.step(parameters, outcome.parameters - parameters, state)
        return parameters

    def score(self, tune: Values, parameters: Vector, split: Split) -> Mapping[str, Measurement]:
        """Metrics over the rows of `split`, counted site by site as in a study."""
        counters: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {}
        for site in self.sites:
            counted = self.workload.site_side.evaluate(site, self.study, tune, parameters, self.constants, split)
            counters = {name: counters.get(name, 0.0) + np.asarray(array) for name, array in counted.items()}
        return self.workload.model_side.score(counters, split)
