"""Samplers by name.

Imports Optuna and SciPy only when a sampler is built that needs them, so a daemon may ask for names without paying for
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_coordinator.sampler.api import Sampler, UnknownSampler, UnsuitedSampler
from autoglm_coordinator.sampler.enumeration import GridSampler, grid_over
from autoglm_core.study_error import nearest

if TYPE_CHECKING:
    from autoglm_core.study import Study

SAMPLERS = ("bayes", "gp", "grid", "nsga2", "random", "tpe")


def check_sampler(study: Study) -> None:
    """Raise what `load_sampler` would raise, without building anything.

    Raises:
        UnknownSampler: no such name. UnsuitedSampler: `gp` on a space with conditions (what stands under one would be
        drawn at random), `grid` on one too large.
    """
    name = study.sampler.name
    if name not in SAMPLERS:
        raise UnknownSampler(name=name, nearest=nearest(name, SAMPLERS) or "", known=SAMPLERS)
    if name == "gp" and study.space.has_conditions:
        raise UnsuitedSampler(name=name, reason="it does not model parameters under a condition", use="tpe")
    if name == "grid":
        grid_over(study.space)


def load_sampler(study: Study) -> Sampler:
    """The sampler that the study names, with nothing observed.

    Raises:
        UnknownSampler, UnsuitedSampler: see `check_sampler`.
    """
    check_sampler(study)
    spec = study.sampler
    if spec.name == "grid":
        return GridSampler(study.space, seed=spec.seed, variants=spec.variants)
    from autoglm_coordinator.sampler.goals import goals_of

    if spec.name == "bayes":
        from autoglm_coordinator.sampler.bayes.sampler import BayesSampler

        return BayesSampler(study.space, goals_of(study), seed=spec.seed, variants=spec.variants)
    from autoglm_coordinator.sampler.optuna_sampler import OptunaSampler

    return OptunaSampler(
        study.space,
        goals_of(study),
        engine=spec.name,
        seed=spec.seed,
        variants=spec.variants,
        trials=study.budget.trials,
    )
