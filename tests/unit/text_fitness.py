"""Which studies of texts fit their model: methods are judged with what a study lets stand beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoglm_core.configuration import Value
from autoglm_core.space import CategoricalParameter, Condition, IntParameter, Parameter, SearchSpace, TiedParameter
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError
from autoglm_workloads.fitness import check_aggregation
from autoglm_workloads.registry import load_workload
from support.text_cases import TEXT_CASES, model, shelf
from support.text_models import on_shelf

# GLM-4 of width 32: its keys and values are 16 wide, its feed-forward part is 32 and 64 wide; it has 64 positions.


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    with on_shelf(shelf()):
        yield


def choice(name: str, *choices: Value, **when: Value) -> CategoricalParameter:
    conditions = tuple(Condition(parameter, (value,)) for parameter, value in when.items())
    return CategoricalParameter(name, choices, conditions)


def study_of(*tune: Parameter, workload: str = "causal-lm", max_length: int = 16) -> Study:
    study = TEXT_CASES[workload].study
    preset = "glm4" if workload in ("causal-lm", "text-generation") else "bert"
    options = {"content": model(preset).content, "max_length": max_length}
    return replace(study, space=SearchSpace(tune, study.space.deploy), model_options=options)


def check(study: Study) -> None:
    load_workload(study.workload).model_side.check(study)
    check_aggregation(study)


@pytest.mark.parametrize(
    "tune",
    [
        (choice("lora_targets", "feed-forward"), choice("lora_rank", 24)),
        (choice("method", "full"), choice("lora_rank", 24)),
        (choice("method", "full", "lora"), choice("lora_rank", 16, method="lora")),
        (
            choice("lora_targets", "attention", "feed-forward"),
            IntParameter("lora_rank", 1, 32, when=(Condition("lora_targets", ("feed-forward",)),)),
        ),
        (choice("method", "prefix"), choice("prompt_length", 60)),
        (choice("method", "prompt", "prefix"), choice("prompt_length", 64, method="prefix")),
    ],
    ids=["targets", "not read", "of one method", "of one target", "prefix takes no position", "of the prefix alone"],
)
def test_what_can_be_built_is_accepted(tune: tuple[Parameter, ...]) -> None:
    check(study_of(*tune))


@pytest.mark.parametrize(
    ("tune", "name", "told"),
    [
        ((choice("lora_targets", "feed-forward"), choice("lora_rank", 33)), "lora_rank", "at most 32"),
        ((choice("lora_targets", "all", "feed-forward"), choice("lora_rank", 24)), "lora_rank", "at most 16"),
        (
            (choice("lora_targets", "attention", "feed-forward"), choice("lora_rank", 24, lora_targets="attention")),
            *("lora_rank", "at most 16"),
        ),
        ((choice("optimizer", "sgd", "lion"), choice("lora_rank", 17, optimizer="lion")), "lora_rank", "at most 16"),
        ((choice("batch_size", 8, 32), TiedParameter("lora_rank", "batch_size")), "lora_rank", "at most 16"),
        ((choice("method", "prompt"), choice("prompt_length", 64)), "prompt_length", "leave room for a text"),
        ((choice("method", "lora", "prompt"), IntParameter("prompt_length", 8, 600)), "prompt_length", "leave room"),
    ],
    ids=["rank", "one of the targets", "under a condition", "under another's", "tied", "prompt", "longest prompt"],
)
def test_what_cannot_be_built_is_refused_where_it_stands(tune: tuple[Parameter, ...], name: str, told: str) -> None:
    with pytest.raises(StudyError, match=told) as refused:
        check(study_of(*tune))
    assert refused.value.place == ("search", "tune", name)


def test_a_prompt_that_leaves_too_few_positions_for_the_texts_is_a_matter_of_their_length() -> None:
    tune = (choice("method", "prompt"), choice("prompt_length", 56))
    check(study_of(*tune, max_length=8))
    with pytest.raises(
        StudyError, match="must be at most 8: the model has 64 positions, and a learned prompt takes 56"
    ):
        check(study_of(*tune, max_length=9))


@pytest.mark.parametrize("workload", ["causal-lm", "text-generation"])
def test_classes_are_not_weighed_where_there_are_none(workload: str) -> None:
    check(study_of(choice("class_weights", "none"), workload=workload))
    with pytest.raises(StudyError, match=f"must be none in {workload}") as refused:
        check(study_of(choice("class_weights", "none", "balanced"), workload=workload))
    assert refused.value.place == ("search", "tune", "class_weights")


@pytest.mark.parametrize("workload", ["text-classification", "token-classification", "multi-task"])
def test_classes_are_weighed_where_there_are_some(workload: str) -> None:
    check(study_of(choice("class_weights", "none", "balanced"), workload=workload))


@pytest.mark.parametrize(
    ("parameter", "nearest"),
    [
        (choice("rounds", 2, 6), None),
        (choice("aggregator", "fedavg", "fedadm"), "fedadam"),
        (choice("server_momentun", 0.5), "server_momentum"),
        (choice("server_momentum", 7), None),
        (choice("beta1", 1.0), None),
    ],
    ids=lambda value: value.name if isinstance(value, CategoricalParameter) else None,
)
def test_what_no_aggregator_reads_is_refused(parameter: CategoricalParameter, nearest: str | None) -> None:
    with pytest.raises(StudyError) as refused:
        check(study_of(parameter))
    assert refused.value.place == ("search", "tune", parameter.name)
    assert nearest is None or refused.value.nearest == nearest


def test_what_aggregators_read_is_accepted() -> None:
    names = {"server_learning_rate": 0.1, "server_momentum": 0.0, "beta1": 0.5, "beta2": 0.999, "tau": 1e-3}
    check(study_of(choice("aggregator", "fedadam"), *(choice(name, value) for name, value in names.items())))
