"""What trials are compared by: a column for each objective, or one for the weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_core.objective import Direction
from autoglm_core.trial import Trial

if TYPE_CHECKING:
    from autoglm_core.study import Study

WEIGHTED = "weighted"
"""Name of the one sum."""


def goal_directions(study: Study) -> dict[str, Direction]:
    """Which way is better, by metric, or of the one weighted sum."""
    if study.weighted is not None:
        return {WEIGHTED: Direction.MAXIMIZE}
    return {objective.metric: objective.direction for objective in study.objectives}


def goal_figures(study: Study, trials: Sequence[Trial], device_class: str) -> NDArray[np.float64]:
    """`(n, goals)`: the figures of comparable `trials`, in the metrics' units.

    Costs in a weighted sum are relative to the reference's, or to the median where it was not completed.
    """
    metrics = [objective.metric for objective in study.objectives]
    figures = [{name: trial.measurements[device_class][name].mean for name in metrics} for trial in trials]
    if study.weighted is None:
        rows = [[row[name] for name in metrics] for row in figures]
        return np.array(rows, dtype=np.float64).reshape(-1, len(metrics))
    reference = [row for row, trial in zip(figures, trials, strict=True) if _is_reference(study, trial)] or figures
    units = {name: median(row[name] for row in reference) for name in metrics} if figures else {}
    scores = [study.weighted.score(study.objectives, row, reference=units) for row in figures]
    return np.array(scores, dtype=np.float64).reshape(-1, 1)


def _is_reference(study: Study, trial: Trial) -> bool:
    return trial.configuration == study.reference_configuration
