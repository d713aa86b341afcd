"""What a suggestion will cost: the seconds of its TUNE and of each variant, learned from the trials that were run.

One small process over the logarithm of the seconds each, for a factor of ten is a step like another: of the TUNE over
its `tune` alone, of a variant over everything. Simple models predict training times well enough (Guinet et al. 2020,
arXiv:2011.11456), and few rows keep them cheap. Where a study limits the bytes that its sites send and receive, or the
joules that they spend on training, a byte or a joule counts as many seconds as make the limits run out together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.gaussian_process import Data, GaussianProcess, fit
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import Part
from autoglm_core.trial import AT_A_RUNG, Observation, TrialState

if TYPE_CHECKING:
    from autoglm_core.study import Budget

Array = NDArray[np.float64]
ENOUGH = 5
"""Rows from which a process is fitted; of fewer, the median is told."""
MOST_ROWS = 80
LEAST = 1e-3
"""Seconds: what took less is not told apart."""


@dataclass(frozen=True)
class Trend:
    """Predicts a positive figure over some `columns` of the encoding; `middle` where there is no `process`.

    A process of logarithms tells medians, and sums need means: `smear` is the ratio of the two over the rows (Duan
    1983, doi:10.1080/01621459.1983.10478017).
    """

    columns: NDArray[np.intp]
    middle: float
    process: GaussianProcess | None = None
    smear: float = 1.0

    def predict(self, inputs: Array) -> Array:
        """`(k,)` at the encodings `inputs` `(k, d)`."""
        if self.process is None:
            return np.full(len(inputs), self.middle)
        return self.smear * np.exp(self.process.predict(inputs[:, self.columns])[0])


@dataclass(frozen=True)
class Costs:
    """Of suggestions.

    Attributes:
        tune: seconds of a whole TUNE.
        variant: seconds of a variant.
        tune_bytes: what all sites send and receive in a whole TUNE.
        second_per_byte: what a byte counts; 0 where bytes are not limited.
        tune_joules: what all sites spend on the training of a whole TUNE; None where joules are not limited, or none
            were counted yet.
        second_per_joule: what a joule counts.
        reached: share of its rounds that a TUNE has on average; below 1 where some were stopped at rungs.
        typical: encoding `(1, d)` of some trial that was run.
    """

    tune: Trend
    variant: Trend
    tune_bytes: Trend
    second_per_byte: float
    tune_joules: Trend | None
    second_per_joule: float
    reached: float
    typical: Array

    def of_tune(self, inputs: Array) -> Array:
        """Seconds of the TUNEs of the encodings `inputs` `(k, d)`, their bytes and joules among them."""
        seconds = self.tune.predict(inputs)
        if self.second_per_byte:
            seconds = seconds + self.second_per_byte * self.tune_bytes.predict(inputs)
        if self.tune_joules is not None:
            seconds = seconds + self.second_per_joule * self.tune_joules.predict(inputs)
        return seconds

    def of_variant(self, inputs: Array) -> Array:
        """Seconds that each of `inputs` `(k, d)` takes as a further variant of a tuned model."""
        return self.variant.predict(inputs)

    def of_whole(self, inputs: Array, variants: int = 1) -> Array:
        """Seconds of the TUNEs of `inputs` `(k, d)` with so many variants each."""
        return self.of_tune(inputs) + variants * self.of_variant(inputs)

    def seconds(self, inputs: Array) -> Array:
        """Wall seconds of each of `inputs` `(k, d)` as the one variant of a new TUNE."""
        return self.tune.predict(inputs) + self.variant.predict(inputs)

    def joules(self, inputs: Array) -> Array | None:
        """Of the TUNE of each of `inputs` `(k, d)`; None where `tune_joules` is."""
        return None if self.tune_joules is None else self.tune_joules.predict(inputs)

    def log_relative(self, inputs: Array, *, variants: int) -> Array:
        """Log cost `(k,)` of suggestions of `variants` variants, against a typical one's.

        Exactly 0 everywhere where all trials cost the same, so that such a study is searched as if nothing were known.
        """
        return np.log(self.of_whole(inputs, variants) / self.of_whole(self.typical, variants))


@dataclass(frozen=True)
class _Row:
    """Figures of one configuration's TUNE, or of it as a variant."""

    configuration: Configuration
    seconds: float
    bytes: float = 0.0
    joules: float = 0.0


def costs_of(cube: UnitCube, observations: Sequence[Observation], budget: Budget | None) -> Costs | None:
    """What `observations` say of costs; None where none was reported."""
    tunes, variants = _tunes(observations)[:MOST_ROWS], _variants(observations)[:MOST_ROWS]
    if not (tunes and variants):
        return None
    of_tune = np.flatnonzero(np.isin(cube.groups, cube.coordinates(Part.TUNE)))
    inputs = cube.encode([row.configuration for row in tunes])
    seconds, sent = np.array([row.seconds for row in tunes]), np.array([row.bytes for row in tunes])
    joules = np.array([row.joules for row in tunes])
    every, own = np.arange(len(cube.groups)), np.array([row.seconds for row in variants])
    wall = None if budget is None or budget.wall is None else budget.wall.total_seconds()
    second_per_byte = _rate(seconds, sent, wall=wall, limit=None if budget is None else budget.bytes)
    second_per_joule = _rate(seconds, joules, wall=wall, limit=None if budget is None else budget.energy)
    return Costs(
        tune=_trend(inputs, seconds, of_tune, cube.groups),
        variant=_trend(cube.encode([row.configuration for row in variants]), own, every, cube.groups),
        tune_bytes=_trend(inputs, sent, of_tune, cube.groups),
        second_per_byte=second_per_byte,
        tune_joules=_trend(inputs, joules, of_tune, cube.groups) if second_per_joule else None,
        second_per_joule=second_per_joule,
        reached=_reached(observations),
        typical=inputs[:1],
    )


def _tunes(observations: Sequence[Observation]) -> list[_Row]:
    """One of each TUNE, as if it had been run to the last round: what stands at a rung tells its seconds per round."""
    longest = max((entry.fidelity for entry in observations), default=0)
    rows: dict[str, _Row] = {}
    for entry in observations:
        if entry.cost is not None and entry.fidelity > 0:
            share = entry.fidelity / longest if entry.state in AT_A_RUNG else 1.0
            cost = entry.cost
            whole = (figure / share for figure in (cost.tune_seconds, cost.tune_bytes, cost.tune_joules))
            rows.setdefault(entry.configuration.tune_key, _Row(entry.configuration, *whole))
    return list(rows.values())


def _reached(observations: Sequence[Observation]) -> float:
    """The mean over TUNEs that ended; 1 before any did."""
    longest = max((entry.fidelity for entry in observations), default=0)
    ended = {entry.configuration.tune_key: entry for entry in observations if entry.fidelity > 0 and entry.state.final}
    shares = [entry.fidelity / longest if entry.state is TrialState.STOPPED else 1.0 for entry in ended.values()]
    return fmean(shares) if shares else 1.0


def _variants(observations: Sequence[Observation]) -> list[_Row]:
    """Every variant that passed all stages."""
    return [
        _Row(entry.configuration, entry.cost.variant_seconds)
        for entry in observations
        if entry.cost is not None and entry.state is TrialState.COMPLETED
    ]


def _trend(inputs: Array, figures: Array, columns: NDArray[np.intp], groups: NDArray[np.intp]) -> Trend:
    figures = np.maximum(figures, LEAST)
    middle = float(np.median(figures))
    if len(figures) < ENOUGH or np.ptp(figures) == 0 or not len(columns):
        return Trend(columns, middle)
    data = Data(inputs[:, columns], np.log(figures), np.zeros(len(figures)))
    own = np.unique(groups[columns], return_inverse=True)[1]
    process = GaussianProcess(data, own, fit(data, own))
    smear = float(figures.mean() / np.exp(process.predict(data.inputs)[0]).mean())
    return Trend(columns, middle, process, smear)


def _rate(seconds: Array, figures: Array, *, wall: float | None, limit: int | None) -> float:
    """Seconds that one unit of `figures` counts, of which a study has `limit`; 0 where that is not limited."""
    if limit is None or not figures.any():
        return 0.0
    if wall is not None:
        return wall / limit
    # Without a limit of time, both count alike.
    return float(seconds.sum() / figures.sum())
