"""Samplers by name.

Imports Optuna and SciPy only when a sampler is built that needs them, so a daemon may ask for names without paying for
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoglm_coordinator.sampler.api import Sampler, UnknownSampler, UnsuitedSampler
from autoglm_coordinator.sampler.believed import BelievedFirst
from autoglm_coordinator.sampler.enumeration import GridSampler, grid_over
from autoglm_core.parameter import CategoricalParameter, FreeParameter, TiedParameter
from autoglm_core.study_error import StudyError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoglm_coordinator.sampler.shapes import Shapes
    from autoglm_core.study import Study
    from autoglm_core.trial import Observation

SAMPLERS = ("bayes", "cmaes", "gp", "grid", "nsga2", "nsga3", "qmc", "random", "tpe")
FORESEEING = ("bayes",)
"""Those that say what is left to gain, and learn from earlier studies."""
MOST_FORESEEN = 4
"""Objectives; more are searched as one random sum after the other, of which none tells what is left to gain."""
MOST_OBJECTIVES: Mapping[str, int] = MappingProxyType({"gp": 4, "nsga3": 20})
"""Of samplers that would need minutes for one suggestion with more: boxes and directions multiply with each."""
VARIANTS = 2
"""Deploy configurations for each tune where the study leaves it to a sampler that does not know what they cost: all but
`bayes`."""


def check_sampler(study: Study) -> None:
    """Raise what `load_sampler` would raise, without building anything.

    Raises:
        UnknownSampler: no such name.
        UnsuitedSampler: `gp` on a space with conditions (what stands under one would be drawn at random), `cmaes` on
            one with conditions or categories, or for several objectives, `grid` on one too large, `gp` and `nsga3` for
            more objectives than they have time for; `budget.gain` or `warm_start` with any but `bayes`.
        StudyError: `budget.gain` with more objectives than it is told for.
    """
    name = study.sampler.name
    if name not in SAMPLERS:
        raise UnknownSampler(name=name, nearest=nearest(name, SAMPLERS) or "", known=SAMPLERS)
    if name in ("gp", "cmaes") and study.space.has_conditions:
        raise UnsuitedSampler(name=name, reason="it does not model parameters under a condition", use="bayes")
    _check_objectives(study)
    if name == "cmaes":
        _check_cmaes(study)
    if name == "grid":
        grid_over(study.space)
    if name not in FORESEEING:
        _check_asked(study)
    if study.budget.gain is not None and study.weighted is None and len(study.objectives) > MOST_FORESEEN:
        reason = f"is told for {MOST_FORESEEN} objectives at most, and the study has {len(study.objectives)}"
        raise StudyError(("budget", "gain"), f"{reason}: leave it out, or use `weighted`")


def _check_objectives(study: Study) -> None:
    name, count = study.sampler.name, len(study.objectives)
    most = MOST_OBJECTIVES.get(name, count)
    if study.weighted is None and count > most:
        reason = f"it takes {most} objectives at most and the study has {count} (`weighted` makes one)"
        raise UnsuitedSampler(name=name, reason=reason, use="bayes")


def _check_asked(study: Study) -> None:
    """Of a sampler that models nothing that could be learned elsewhere or looked ahead with."""
    name = study.sampler.name
    if study.budget.gain is not None:
        raise UnsuitedSampler(
            name=name, reason="`budget.gain` asks what is left to gain, and it cannot say", use="bayes"
        )
    if study.sampler.warm_start:
        raise UnsuitedSampler(name=name, reason="it cannot learn from earlier studies (`warm_start`)", use="bayes")


def _check_cmaes(study: Study) -> None:
    if study.weighted is None and len(study.objectives) > 1:
        reason = f"it follows one figure and the study has {len(study.objectives)} objectives (`weighted` makes one)"
        raise UnsuitedSampler(name="cmaes", reason=reason, use="nsga2")
    free = [entry for entry in (*study.space.tune, *study.space.deploy) if not isinstance(entry, TiedParameter)]
    for parameter in free:
        if isinstance(parameter, CategoricalParameter) and not parameter.ordered and len(parameter.choices) > 1:
            raise UnsuitedSampler(name="cmaes", reason=f"`{parameter.name}` is no number", use="bayes")
    if sum(not _is_fixed(parameter) for parameter in free) < 2:
        raise UnsuitedSampler(name="cmaes", reason="it needs two parameters to turn between", use="bayes")


def _is_fixed(parameter: FreeParameter) -> bool:
    if isinstance(parameter, CategoricalParameter):
        return len(parameter.choices) == 1
    return parameter.minimum == parameter.maximum


def load_sampler(study: Study, shapes: Shapes | None = None, earlier: Sequence[Sequence[Observation]] = ()) -> Sampler:
    """The sampler that the study names, behind what its author believes in, with nothing observed.

    `earlier`: what was observed in the studies that it learns from.

    Raises:
        UnknownSampler, UnsuitedSampler, StudyError: see `check_sampler`.
    """
    check_sampler(study)
    sampler = _named(study, shapes, earlier)
    return BelievedFirst(sampler, study.sampler.believed) if study.sampler.believed else sampler


def _named(study: Study, shapes: Shapes | None, earlier: Sequence[Sequence[Observation]]) -> Sampler:
    spec = study.sampler
    if spec.name == "grid":
        return GridSampler(study.space, seed=spec.seed, variants=spec.variants or VARIANTS)
    from autoglm_coordinator.sampler.goals import goals_of

    if spec.name == "bayes":
        from autoglm_coordinator.sampler.bayes.sampler import BayesSampler

        return BayesSampler(
            study.space,
            goals_of(study),
            seed=spec.seed,
            variants=spec.variants,
            budget=study.budget,
            shapes=shapes,
            earlier=earlier,
        )
    from autoglm_coordinator.sampler.optuna_sampler import OptunaSampler

    return OptunaSampler(
        study.space,
        goals_of(study),
        engine=spec.name,
        seed=spec.seed,
        variants=spec.variants or VARIANTS,
        trials=study.budget.trials,
    )
