"""Whether a study fits a chain classifier, asked before anything is sent to a site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from autoglm_core.configuration import Value, Values
from autoglm_core.objective import COST_METRICS
from autoglm_core.space import CategoricalParameter, FloatParameter, IntParameter, Parameter, SearchSpace, TiedParameter
from autoglm_core.study_error import Place, StudyError, nearest
from autoglm_workloads.aggregator_options import AGGREGATOR_NAMES, AGGREGATORS, AggregatorOptions
from autoglm_workloads.classification import BINARY_METRICS
from autoglm_workloads.training_options import OPTION_NAMES

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.family import Family

QUANTIZATIONS = ("none", "int8-dynamic", "int8-static")
DEPLOY_NAMES = ("prune", "quantization", "threads")
TUNE_NAMES = (*OPTION_NAMES, "width")


def whole_option(study: Study, tune: Values, name: str, *, default: int) -> int:
    """A whole number of at least 1 from `tune`, else from `model_options`, else `default`."""
    value = tune.get(name, study.model_options.get(name, default))
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        place = ("search", "tune", name) if name in tune else ("model_options", name)
        raise StudyError(place, "must be a whole number of at least 1")
    return value


def check_study(study: Study, family: Family) -> None:
    """Check model, schema, parameters and metrics.

    Raises:
        StudyError: names the first place that does not fit.
    """
    check_known(study.model, family.models, place=("model",), what="model")
    family.check_schema(study)
    family.chain(study, {})
    for name, values in tune_values(study.space).items():
        _check_tune(study, family, name, values)
    for parameter in study.space.deploy:
        _check_deploy(study, family, parameter)
    for metric in sorted(study.metrics):
        _check_metric(study, family, metric)


def _check_tune(study: Study, family: Family, name: str, values: Iterable[Value]) -> None:
    check_known(name, (*TUNE_NAMES, *AGGREGATOR_NAMES), place=("search", "tune", name), what="tune parameter")
    for value in values:
        family.defaults.updated({name: value})
        family.chain(study, {name: value})


def _check_deploy(study: Study, family: Family, parameter: Parameter) -> None:
    place = ("search", "deploy", parameter.name)
    check_known(parameter.name, DEPLOY_NAMES, place=place, what="deploy parameter")
    for value in extremes(parameter):
        if parameter.name == "prune" and not (_number(value) and 0 <= float(value) < 1):
            raise StudyError(place, "must be from 0 to below 1")
        if parameter.name == "threads" and not (_number(value) and isinstance(value, int) and value >= 1):
            raise StudyError(place, "must be a whole number of at least 1")
        if parameter.name == "quantization":
            check_known(str(value), QUANTIZATIONS, place=place, what="quantization")
            if value != "none" and not family.quantizable(family.chain(study, {})):
                raise StudyError(place, f"{study.model} has no layer that int8 suits: leave only none")


def _check_metric(study: Study, family: Family, metric: str) -> None:
    named = any(objective.metric == metric for objective in study.objectives)
    place = ("objectives", metric) if named else ("constraints",)
    if metric == "auroc" and family.classes(study) != 2:
        raise StudyError(place, "auroc needs exactly two classes", nearest="balanced_accuracy")
    check_known(metric, (*BINARY_METRICS, *COST_METRICS), place=place, what="metric")


def check_aggregation(study: Study) -> None:
    """Check what the coordinator's aggregators will read, in a study of any workload.

    Raises:
        StudyError: an aggregator is unknown, or an option of one is out of its range.
    """
    for name, values in tune_values(study.space).items():
        for value in values if name in AGGREGATOR_NAMES else ():
            if name == "aggregator":
                check_known(str(value), AGGREGATORS, place=("search", "tune", name), what="aggregator")
            AggregatorOptions().updated({name: value})


def check_known(name: str, known: tuple[str, ...], *, place: Place, what: str) -> None:
    """Raise `StudyError` unless `name` is one of `known`."""
    if name not in known:
        reason = f"{name!r} is no {what} here; there are {', '.join(known)}"
        raise StudyError(place, reason, nearest=nearest(name, known))


def tune_values(space: SearchSpace) -> dict[str, tuple[Value, ...]]:
    """`extremes` of every parameter of `tune` by name; a tied one has those of what it copies."""
    named = {parameter.name: parameter for parameter in space.tune}
    return {name: extremes(_copied(parameter, named)) for name, parameter in named.items()}


def _copied(parameter: Parameter, named: Mapping[str, Parameter]) -> Parameter:
    while isinstance(parameter, TiedParameter):
        parameter = named[parameter.same_as]
    return parameter


def extremes(parameter: Parameter) -> tuple[Value, ...]:
    """Values that stand for all that the parameter may take."""
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices
    if isinstance(parameter, FloatParameter | IntParameter):
        return (parameter.minimum, parameter.maximum)
    return ()


def _number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
