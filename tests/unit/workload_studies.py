"""Studies that do not fit a workload are refused with the place and the nearest name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_coordinator.trials.submission import _check_workload
from autoglm_core.objective import Direction, Objective
from autoglm_core.schema import ImageSchema
from autoglm_core.space import CategoricalParameter, FloatParameter, IntParameter, Parameter, SearchSpace, TiedParameter
from autoglm_core.study import Study, StudyError
from autoglm_workloads.errors import UnknownWorkload
from autoglm_workloads.fitness import check_aggregation
from autoglm_workloads.registry import load_workload, workload_names
from support.workload_cases import CASES

IMAGE, LOGISTIC, MLP = CASES["image"], CASES["logistic"], CASES["mlp"]


def refused(study: Study) -> StudyError:
    with pytest.raises(StudyError) as caught:
        load_workload(study.workload).model_side.check(study)
        check_aggregation(study)
    return caught.value


def searching(study: Study, *, tune: tuple[Parameter, ...] = (), deploy: tuple[Parameter, ...] = ()) -> Study:
    return replace(study, space=SearchSpace(tune, deploy))


def test_a_full_space_is_accepted() -> None:
    tune = (
        FloatParameter("learning_rate", 1e-3, 1e-1),
        IntParameter("local_epochs", 1, 3),
        TiedParameter("batch_size", "local_epochs"),
        CategoricalParameter("optimizer", ("sgd", "adam")),
        CategoricalParameter("aggregator", ("fedavg", "fedadam")),
        FloatParameter("server_learning_rate", 1e-3, 1.0),
        FloatParameter("beta1", 0.0, 0.95),
        FloatParameter("beta2", 0.9, 0.999),
        FloatParameter("tau", 1e-4, 1e-2),
        CategoricalParameter("width", (16, 32)),
    )
    deploy = (
        FloatParameter("prune", 0.0, 0.6),
        CategoricalParameter("quantization", ("none", "int8-dynamic", "int8-static")),
        CategoricalParameter("threads", (1, 2)),
    )
    IMAGE.model_side.check(searching(IMAGE.study, tune=tune, deploy=deploy))


@pytest.mark.parametrize(
    ("parameter", "nearest"),
    [
        (FloatParameter("learning_rat", 0.1, 1.0), "learning_rate"),
        (FloatParameter("learning_rate", -1.0, 1.0), None),
        (CategoricalParameter("batch_size", (16, 2.5)), None),
        (IntParameter("local_epochs", 0, 3), None),
        (CategoricalParameter("optimizer", ("sgd", "lion")), None),
        (FloatParameter("momentum", 0.5, 1.0), None),
        (CategoricalParameter("width", (0, 16)), None),
        (CategoricalParameter("width", ("wide",)), None),
        (CategoricalParameter("rounds", (2, 6)), None),
        (CategoricalParameter("aggregator", ("fedavg", "fedadm")), "fedadam"),
        (CategoricalParameter("server_momentun", (0.5, 0.9)), "server_momentum"),
        (CategoricalParameter("server_nonsense", (1,)), "server_momentum"),
        (CategoricalParameter("server_momentum", (7,)), None),
        (FloatParameter("server_learning_rate", 0.0, 1.0), None),
        (FloatParameter("beta1", 0.5, 1.0), None),
        (FloatParameter("tau", -1.0, 1.0), None),
    ],
)
def test_tune_parameters_must_be_known_and_in_range(parameter: Parameter, nearest: str | None) -> None:
    error = refused(searching(IMAGE.study, tune=(parameter,)))
    assert error.place == ("search", "tune", parameter.name)
    assert error.nearest == nearest


def test_a_tied_parameter_is_checked_with_the_values_of_the_other() -> None:
    tune = (CategoricalParameter("local_epochs", (2,)), TiedParameter("server_momentum", "local_epochs"))
    assert refused(searching(IMAGE.study, tune=tune)).place == ("search", "tune", "server_momentum")


@pytest.mark.parametrize(
    "parameter",
    [
        CategoricalParameter("aggregator", ("fedavg", "fedfoo")),
        CategoricalParameter("server_momentum", (7,)),
        FloatParameter("beta2", 0.9, 1.0),
    ],
    ids=lambda parameter: parameter.name,
)
def test_submission_refuses_what_no_aggregator_takes_whatever_the_workload(parameter: Parameter) -> None:
    study = replace(IMAGE.study, workload="synthetic", model="synthetic", space=SearchSpace((parameter,)))
    with pytest.raises(StudyError) as caught:
        _check_workload(replace(study, objectives=(Objective("loss", Direction.MINIMIZE),)))
    assert caught.value.place == ("search", "tune", parameter.name)


@pytest.mark.parametrize(
    ("parameter", "nearest"),
    [
        (FloatParameter("pruning", 0.1, 0.5), "prune"),
        (FloatParameter("prune", 0.1, 1.0), None),
        (CategoricalParameter("quantization", ("none", "int8-statik")), "int8-static"),
        (CategoricalParameter("threads", (0, 1)), None),
    ],
)
def test_deploy_parameters_must_be_known_and_in_range(parameter: Parameter, nearest: str | None) -> None:
    error = refused(searching(IMAGE.study, deploy=(parameter,)))
    assert error.place == ("search", "deploy", parameter.name)
    assert error.nearest == nearest


def test_a_logistic_regression_has_nothing_to_quantize() -> None:
    deploy = (CategoricalParameter("quantization", ("none", "int8-dynamic")),)
    assert refused(searching(LOGISTIC.study, deploy=deploy)).place == ("search", "deploy", "quantization")
    MLP.model_side.check(searching(MLP.study, deploy=deploy))


def test_models_schemas_and_metrics_must_fit() -> None:
    assert refused(replace(IMAGE.study, model="small-cmm")).nearest == "small-cnn"
    assert refused(replace(IMAGE.study, schema=LOGISTIC.schema)).place == ("schema",)
    assert refused(replace(LOGISTIC.study, schema=IMAGE.schema)).place == ("schema",)
    assert refused(replace(IMAGE.study, schema=ImageSchema(3, 8, 1, 1.0, ("a", "b")))).place == ("schema", "height")
    assert refused(replace(MLP.study, model_options={"width": -1})).place == ("model_options", "width")
    unknown = refused(replace(IMAGE.study, objectives=(Objective("acuracy", Direction.MAXIMIZE),)))
    assert (unknown.place, unknown.nearest) == (("objectives", "acuracy"), "accuracy")
    three_classes = refused(replace(IMAGE.study, objectives=(Objective("auroc", Direction.MAXIMIZE),)))
    assert three_classes.nearest == "balanced_accuracy"


def test_an_unknown_workload_names_the_installed_ones() -> None:
    with pytest.raises(UnknownWorkload, match="tabular-classification") as caught:
        load_workload("tabular-clasification")
    assert caught.value.data["nearest"] == "tabular-classification"
    assert {"image-classification", "synthetic"} <= set(workload_names())
