"""Which parameters matter for which objective, by PED-ANOVA over the mirrored study.

PED-ANOVA (Watanabe, Bansal & Hutter 2023, arXiv:2304.10255; for parameters under a condition arXiv:2601.20800) asks
how differently a parameter is distributed among the best trials and among all. So it needs no model, but tells of
reaching the best figures alone, and of the trials that there were: what a sampler never varied has no importance.
Taken are the trials that were completed and are feasible on the class. A tied parameter counts with the one that it
follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from autoglm_coordinator.report.fronts import comparable_trials, device_classes
from autoglm_coordinator.report.goal_figures import goal_directions
from autoglm_coordinator.report.mirror import mirror
from autoglm_coordinator.sampler.quiet import quiet
from autoglm_core.canonical import Json
from autoglm_core.trial import Trial

if TYPE_CHECKING:
    from autoglm_core.study import Study

FEWEST = 20
"""Trials below which nothing is said: a fifth of them is too few to have a distribution."""
BEST_SHARE = 0.1
FEWEST_BEST = 8
FRONT = "front"
"""Beside the objectives: what it takes to be among the best by non-dominated rank."""


def importances(study: Study, trials: Sequence[Trial]) -> Json:
    """`{needed, classes: {class: {trials, importance: {objective: {parameter: share}}}}}`.

    Shares of one objective sum to 1; there are none for an objective that never changed, and no objective where the
    trials are fewer than needed.
    """
    classes = {name: _of_class(study, trials, name) for name in device_classes(study, trials)}
    return {"needed": FEWEST, "classes": classes}


def _of_class(study: Study, trials: Sequence[Trial], device_class: str) -> Json:
    compared = comparable_trials(study, trials, device_class)
    if len(compared) < FEWEST:
        return {"trials": len(compared), "importance": {}}
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(BEST_SHARE, FEWEST_BEST / len(compared)))
    directions = goal_directions(study)
    with quiet():
        mirrored = mirror(study, device_class, compared, device_class, created=datetime(1970, 1, 1, tzinfo=UTC))
        found = {
            name: _shares(mirrored, evaluator, _loss(column, direction.sign))
            for column, (name, direction) in enumerate(directions.items())
        }
        if len(directions) > 1:
            found[FRONT] = get_param_importances(mirrored, evaluator=evaluator)
    return {"trials": len(compared), "importance": {name: _rounded(shares) for name, shares in found.items()}}


def _shares(mirrored: Any, evaluator: Any, loss: Callable[[Any], float]) -> dict[str, float]:
    """None where all trials are equal: Optuna would say that all parameters are, too."""
    if len({loss(trial) for trial in mirrored.trials}) == 1:
        return {}
    return dict(get_param_importances(mirrored, evaluator=evaluator, target=loss))


def _loss(column: int, sign: float) -> Callable[[Any], float]:
    return lambda trial: -sign * float(trial.values[column])


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    """What is no number is left out."""
    return {name: round(share, 4) for name, share in shares.items() if math.isfinite(share)}
