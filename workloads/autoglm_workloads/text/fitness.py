"""Whether a study fits a text workload, asked before anything is sent to a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_core.configuration import Value
from autoglm_core.objective import COST_METRICS
from autoglm_core.space import Parameter
from autoglm_core.study_error import StudyError
from autoglm_workloads.fitness import COORDINATOR_NAMES, check_known, extremes, for_aggregator
from autoglm_workloads.models.errors import ModelMissing
from autoglm_workloads.text.layout import longest_text, text_layout
from autoglm_workloads.text.model_options import model_options, text_model
from autoglm_workloads.text.networks import heads_of
from autoglm_workloads.text.training.options import OPTION_NAMES, TextOptions
from autoglm_workloads.text.tuning_options import METHOD_NAMES, Method

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.text.tasks.api import TextTask

QUANTIZATIONS = ("none", "int8-dynamic")


def check_text_study(study: Study, task: TextTask) -> None:
    """Check model options, schema, parameters and metrics, and the methods where the model is at hand.

    Raises:
        StudyError: names the first place that does not fit.
    """
    task.check(study)
    for parameter in study.space.tune:
        _check_tune(study, task, parameter)
    for parameter in study.space.deploy:
        _check_deploy(study, task, parameter)
    for metric in sorted(study.metrics):
        named = any(objective.metric == metric for objective in study.objectives)
        place = ("objectives", metric) if named else ("constraints",)
        check_known(metric, (*task.names(study).metrics, *COST_METRICS), place=place, what="metric")
    _check_fit(study, task, {})
    _check_length(study)


def _check_tune(study: Study, task: TextTask, parameter: Parameter) -> None:
    name = parameter.name
    if for_aggregator(name):
        return
    names = task.names(study)
    known = (*METHOD_NAMES, *OPTION_NAMES, *names.tune, *names.losses, *COORDINATOR_NAMES)
    check_known(name, known, place=("search", "tune", name), what="tune parameter")
    for value in extremes(parameter):
        TextOptions().updated({name: value})
        task.check_values(study, {name: value}, {})
        _check_fit(study, task, {name: value})


def _check_fit(study: Study, task: TextTask, tune: dict[str, Value]) -> None:
    """That each method fits the model. `autoglm check` may run where the model is not: submission asks again."""
    method = Method().updated(tune)
    try:
        description = text_model(study).description
    except ModelMissing:
        return
    text_layout(description, method, heads_of(task, study, tune))


def _check_length(study: Study) -> None:
    """That texts of `max_length` tokens fit, beside the longest prompt that the space has learned before them."""
    try:
        description = text_model(study).description
    except ModelMissing:
        return
    values = {parameter.name: extremes(parameter) for parameter in study.space.tune}
    methods = values.get("method", (Method.method,))
    prompts = values.get("prompt_length", (Method.prompt_length,))
    combined = [{"method": method, "prompt_length": prompt} for method in methods for prompt in prompts]
    longest = min(longest_text(description, Method().updated(tune)) for tune in combined)
    if model_options(study).max_length > longest:
        taken = description.positions - longest
        beside = f", and a learned prompt takes {taken} of them" if taken else ""
        reason = f"must be at most {longest}: the model has {description.positions} positions{beside}"
        raise StudyError(("model", "options", "max_length"), reason)


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
