"""Picks that differ in a way their user would notice.

A front over measured figures holds points that differ by noise alone, and different configurations that come to the
same model (a pruned fraction is rounded to whole channels). Offering both as a choice helps nobody and spends test rows
on each. So of points that are alike in everything that was measured, the one that stands first (see `best_first`) is
kept. Alike: at most 10 % apart in every cost, and in every score at most 2 points or two standard errors of the
difference, whichever is more. A modelled figure distinguishes nothing: it is derived from one that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.objective import COST_METRICS

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_core.trial import Trial

COST_SHARE = 0.10
SCORE_POINTS = 0.02
STANDARD_ERRORS = 2.0


def distinct_picks(study: Study, front: Sequence[Trial], device_class: str) -> list[Trial]:
    """`front`, best first, without points that are alike to one before them."""
    kept: list[Trial] = []
    for trial in front:
        if not any(_alike(study, trial, other, device_class) for other in kept):
            kept.append(trial)
    return kept


def _alike(study: Study, first: Trial, second: Trial, device_class: str) -> bool:
    return all(
        _near(objective.metric, first.measurements[device_class][objective.metric], other)
        for objective in study.objectives
        if (other := second.measurements[device_class][objective.metric]).provenance is not Provenance.MODELLED
    )


def _near(metric: str, first: Measurement, second: Measurement) -> bool:
    apart = abs(first.mean - second.mean)
    if metric in COST_METRICS:
        return apart <= COST_SHARE * max(abs(first.mean), abs(second.mean))
    noise = STANDARD_ERRORS * math.hypot(first.standard_error, second.standard_error)
    return apart <= max(SCORE_POINTS, noise)
