"""Parameters, values and constraints as Optuna writes them down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoglm_core.bound import Bound, bounds_of
from autoglm_core.configuration import Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter, IntParameter, Scale
from autoglm_core.trial import Trial

if TYPE_CHECKING:
    from autoglm_core.study import Study


def distribution_of(parameter: FreeParameter) -> BaseDistribution:
    """With the parameter's own choices, so that a reader finds again what the study says."""
    match parameter:
        case FloatParameter(minimum=minimum, maximum=maximum, scale=scale):
            return FloatDistribution(minimum, maximum, log=scale is Scale.LOG)
        case IntParameter(minimum=minimum, maximum=maximum, scale=scale):
            return IntDistribution(minimum, maximum, log=scale is Scale.LOG)
        case CategoricalParameter(choices=choices):
            return CategoricalDistribution([optuna_value(parameter, choice) for choice in choices])


def optuna_value(parameter: FreeParameter, value: Value) -> Any:
    """`value`; with its type in words where Optuna would take it and another choice for one (1, 1.0 and true)."""
    if isinstance(parameter, CategoricalParameter) and len(set(parameter.choices)) < len(parameter.choices):
        return f"{type(value).__name__} {value}"
    return value


def excesses(study: Study, trial: Trial, device_class: str) -> dict[str, float]:
    """By constraint that can be judged: at most 0 where it holds.

    By how much a bound on one figure is exceeded; 1 for any other constraint that does not hold, and for a refusal
    after PROBE that later figures do not show.
    """
    values: dict[str, Value] = {**trial.configuration.tune, **trial.configuration.deploy}
    values |= {metric: figure.mean for metric, figure in trial.measurements.get(device_class, {}).items()}
    found = {}
    for constraint in study.constraints:
        if not all(name in values for name in constraint.names):
            continue
        excess = _excess(bounds_of(constraint), values)
        if constraint.holds(values):
            found[constraint.text] = min(excess, 0.0)
        else:
            found[constraint.text] = excess if excess > 0 else 1.0
    if device_class in trial.refused_by and all(excess <= 0 for excess in found.values()):
        found["accepted by PROBE"] = 1.0
    return found


def _excess(bounds: Sequence[Bound], values: Mapping[str, Value]) -> float:
    """By how much the worst of `bounds` is exceeded, below 0 where there is room; 0 where that has no number."""
    numbers = [(bound, value) for bound in bounds if not isinstance(value := values[bound.name], str)]
    return max(((value - bound.limit) * (1 if bound.upper else -1) for bound, value in numbers), default=0.0)
