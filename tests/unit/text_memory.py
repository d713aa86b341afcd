"""A training that does not fit is refused before its network is loaded, and a study that cannot fit at submission."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoglm_core.configuration import Values
from autoglm_core.measurement import Split
from autoglm_core.space import CategoricalParameter, IntParameter, Parameter, SearchSpace
from autoglm_core.study_error import StudyError
from autoglm_core.workload import EstimatesMemory, LocalRound
from autoglm_workloads.models.memory import COPIES, PROCESS, TooLittleMemory
from autoglm_workloads.registry import load_workload
from autoglm_workloads.text import memory, networks
from autoglm_workloads.text.tasks.classification import Classification
from support.text_cases import TEXT_CASES, TextCase, shelf
from support.text_models import minilm, on_shelf

TUNE: Values = {"method": "lora", "batch_size": 16}
WORKLOAD = load_workload("text-classification")
AT = LocalRound(1, bytes(32))


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    networks.forget_networks()
    with on_shelf(shelf()):
        yield


@pytest.fixture
def case() -> TextCase:
    found = TEXT_CASES["text-classification"]
    assert isinstance(found, TextCase)
    return found


def allow(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    """In place of a limit of this process, which would hit the tests that come after in it."""
    monkeypatch.setattr(memory, "allowed_memory", lambda: allowed)


def test_what_does_not_fit_is_refused_before_anything_is_loaded(
    case: TextCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, side = case.study, WORKLOAD.site_side
    parameters = WORKLOAD.model_side.initial(study, TUNE, bytes(32))
    networks.forget_networks()
    data = side.load(case.write(tmp_path, 1), study)
    constants = side.constants(data, study)
    allow(monkeypatch, PROCESS)
    with pytest.raises(TooLittleMemory, match="memory_gb"):
        side.train(data, study, TUNE, parameters, constants, AT)
    with pytest.raises(TooLittleMemory, match="memory_gb"):
        side.evaluate(data, study, TUNE, parameters, constants, Split.VALIDATION)
    assert networks._built.cache_info().currsize == 0


def test_networks_that_are_kept_give_way_to_a_training_that_needs_their_room(
    case: TextCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, side = case.study, WORKLOAD.site_side
    parameters = WORKLOAD.model_side.initial(study, TUNE, bytes(32))
    data = side.load(case.write(tmp_path, 1), study)
    constants = side.constants(data, study)
    longest = int(data.lengths[data.splits.train].max())
    tight = memory.training_bytes(Classification(), study, TUNE, longest=longest)
    trained = []
    for allowed in (10 * tight, tight):
        networks.network_of(Classification(), study, {"method": "ia3"})
        allow(monkeypatch, allowed)
        trained.append(side.train(data, study, TUNE, parameters, constants, AT).parameters)
        assert networks._built.cache_info().currsize == (2 if allowed > tight else 1)
    assert np.array_equal(trained[0], trained[1])


def test_a_training_needs_more_the_more_it_reads_at_once(case: TextCase) -> None:
    study, side = case.study, WORKLOAD.site_side
    assert isinstance(side, EstimatesMemory)
    small, large = (side.training_bytes(study, {**TUNE, "batch_size": size}) for size in (1, 256))
    assert PROCESS < small < large


@pytest.mark.parametrize(
    ("options", "peak"),
    [
        ({}, 0.88),
        ({"proximal_mu": 0.1}, 1.01),
        ({"controller": "noise-scale", "accumulation": 2}, 1.24),
        ({"controller": "noise-scale", "curvature": "differences"}, 1.49),
        ({"curvature": "hutchinson"}, 1.51),
        ({"controller": "noise-scale", "curvature": "differences", "proximal_mu": 0.1}, 1.59),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_minilm_needs_what_it_was_measured_to_need_whatever_watches_its_gradients(
    case: TextCase, tmp_path: Path, options: Values, peak: float
) -> None:
    """Peaks in GB of a process on torch 2.13 (CPU, one thread): all weights, batches of one text of 16 tokens."""
    study = replace(case.study, model_options={"content": minilm(tmp_path).content, "max_length": 16})
    with on_shelf(tmp_path):
        tune: Values = {"method": "full", "batch_size": 1, **options}
        needed = memory.training_bytes(Classification(), study, tune) / 1e9
    assert peak <= needed <= 1.5 * peak


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_longer_prompts_need_more(case: TextCase, method: str) -> None:
    few, many = (
        memory.training_bytes(Classification(), case.study, {"method": method, "prompt_length": length})
        for length in (1, 40)
    )
    # Beside the trained numbers themselves, of which a prompt has 39 * 32 more, and a prefix four times as many.
    assert many - few > 2 * 39 * 32 * 4 * COPIES * 4


@pytest.mark.parametrize(
    ("length", "tune", "told"),
    [
        (65, (), "must be at most 64: the model has 64 positions"),
        (57, (CategoricalParameter("method", ("lora", "prompt")), IntParameter("prompt_length", 2, 8)), "takes 8 of"),
    ],
    ids=["positions", "learned prompt"],
)
def test_texts_longer_than_the_model_are_refused_with_the_study(
    case: TextCase, length: int, tune: tuple[Parameter, ...], told: str
) -> None:
    study = replace(case.study, space=SearchSpace(tune, ()))
    options = study.model_options
    WORKLOAD.model_side.check(replace(study, model_options={**options, "max_length": length - 1}))
    with pytest.raises(StudyError, match=told) as refused:
        WORKLOAD.model_side.check(replace(study, model_options={**options, "max_length": length}))
    assert refused.value.place == ("model", "options", "max_length")
