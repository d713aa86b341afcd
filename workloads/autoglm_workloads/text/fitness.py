"""Whether a study fits a text workload, asked before anything is sent to a site."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from autoglm_core.configuration import Value, Values
from autoglm_core.objective import COST_METRICS
from autoglm_core.parameter import among
from autoglm_core.space import Parameter, Part, SearchSpace
from autoglm_core.study_error import StudyError
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import TagColumn, TextLabel
from autoglm_workloads.aggregator_options import AGGREGATOR_NAMES
from autoglm_workloads.fitness import check_known, extremes, tune_values
from autoglm_workloads.models.errors import ModelMissing
from autoglm_workloads.text.layout import longest_text, text_layout
from autoglm_workloads.text.model_options import model_options, text_model
from autoglm_workloads.text.networks import heads_of
from autoglm_workloads.text.training.options import OPTION_NAMES, TextOptions
from autoglm_workloads.text.tuning_options import METHOD_NAMES, Method

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.models.description import Description
    from autoglm_workloads.text.tasks.api import TextTask

QUANTIZATIONS = ("none", "int8-dynamic")
SIZES = {"lora": ("lora_targets", "lora_rank"), "adapter": ("adapter_after",), "prompt": ("prompt_length",)}
"""What beside the method decides whether it fits a model."""


def check_text_study(study: Study, task: TextTask) -> None:
    """Check model options, schema, parameters and metrics, and the methods where the model is at hand.

    Raises:
        StudyError: names the first place that does not fit.
    """
    task.check(study)
    for name, values in tune_values(study.space).items():
        _check_tune(study, task, name, values)
    for parameter in study.space.deploy:
        _check_deploy(study, task, parameter)
    for metric in sorted(study.metrics):
        named = any(objective.metric == metric for objective in study.objectives)
        place = ("objectives", metric) if named else ("constraints",)
        check_known(metric, (*task.names(study).metrics, *COST_METRICS), place=place, what="metric")
    _check_methods(study, task)


def _check_tune(study: Study, task: TextTask, name: str, values: Iterable[Value]) -> None:
    names, place = task.names(study), ("search", "tune", name)
    known = (*METHOD_NAMES, *OPTION_NAMES, *names.tune, *names.losses, *AGGREGATOR_NAMES)
    check_known(name, known, place=place, what="tune parameter")
    for value in values:
        options = TextOptions().updated({name: value})
        Method().updated({name: value})
        if options.class_weights != "none" and not _has_classes(study):
            raise StudyError(place, f"must be none in {study.workload}: its texts have no classes")
        task.check_values(study, {name: value}, {})


def _has_classes(study: Study) -> bool:
    """Whether rows, or tokens, have classes whose weights a loss may take; next tokens have none."""
    return not isinstance(study.schema, TextSchema) or isinstance(study.schema.target, TextLabel | TagColumn)


def _check_methods(study: Study, task: TextTask) -> None:
    """That each method, as it may be chosen, fits the model, and texts of `max_length` tokens beside its prompt.

    `autoglm check` may run where the model is not: submission asks again.
    """
    try:
        description = text_model(study).description
    except ModelMissing:
        return
    for tune in _chosen_methods(study.space):
        method = Method().updated(tune)
        text_layout(description, method, heads_of(task, study, tune))
        _check_length(description, method, max_length=model_options(study).max_length)


def _check_length(description: Description, method: Method, *, max_length: int) -> None:
    longest = longest_text(description, method)
    if max_length > longest:
        taken = description.positions - longest
        beside = f", and a learned prompt takes {taken} of them" if taken else ""
        reason = f"must be at most {longest}: the model has {description.positions} positions{beside}"
        raise StudyError(("model", "options", "max_length"), reason)


def _chosen_methods(space: SearchSpace) -> Iterator[Values]:
    """Each method that may be chosen, with the values beside it that decide whether it fits a model."""
    for chosen in _combined(space, ("method",), {}):
        yield from _combined(space, SIZES.get(Method().updated(chosen).method, ()), chosen)


def _combined(space: SearchSpace, names: Collection[str], chosen: Values) -> Iterator[Values]:
    """`chosen` with extremes of the parameters `names`, in every combination that conditions allow.

    A condition on a parameter that is in none of both may hold and may not.
    """
    combined, values = [chosen], tune_values(space)
    told = frozenset((*chosen, *names))
    for parameter in space.ordered(Part.TUNE):
        if parameter.name in names:
            own = [{parameter.name: value} for value in values[parameter.name]]
            combined = [{**known, **more} for known in combined for more in _possible(parameter, own, known, told)]
    yield from combined


def _possible(parameter: Parameter, own: Sequence[Values], known: Values, told: Collection[str]) -> Iterator[Values]:
    """`own` values where `parameter` may be active beside `known`, and none where it may not; `told`: as in both."""
    conditions = [condition for condition in parameter.when if condition.parameter in told]
    active = all(
        condition.parameter in known and among(known[condition.parameter], condition.values) for condition in conditions
    )
    if active:
        yield from own
    if not active or len(conditions) < len(parameter.when):
        yield {}


def _check_deploy(study: Study, task: TextTask, parameter: Parameter) -> None:
    name, place = parameter.name, ("search", "deploy", parameter.name)
    known = ("quantization", "threads", *task.names(study).deploy)
    check_known(name, known, place=place, what="deploy parameter")
    for value in extremes(parameter):
        if name == "threads":
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise StudyError(place, "must be a whole number of at least 1")
        elif name == "quantization":
            check_known(str(value), QUANTIZATIONS, place=place, what="quantization")
        else:
            task.check_values(study, {}, {name: value})
