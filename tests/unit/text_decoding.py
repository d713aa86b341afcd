"""Decoding parameters: what a study may say, and what an ONNX file may carry."""

from __future__ import annotations

import json

import pytest

from autoglm_core.configuration import Value
from autoglm_core.encoding import Malformed
from autoglm_core.space import CategoricalParameter, Condition, FloatParameter, IntParameter, Parameter
from autoglm_core.study_error import StudyError
from autoglm_workloads.text.generation.decoding import DECODING_NAMES, Decoding, decoding_of
from autoglm_workloads.text.generation.fitness import check_decoding


def test_the_strategy_follows_from_what_is_named() -> None:
    assert decoding_of({}).strategy == "greedy"
    assert decoding_of({"repetition_penalty": 1.2, "quantization": "none"}).strategy == "greedy"
    assert decoding_of({"top_p": 0.9}).strategy == "sampling"
    assert decoding_of({"beams": 4, "length_penalty": 2}) == Decoding("beams", beams=4, length_penalty=2.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strategy", "contrastive"),
        ("temperature", 0),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("top_k", -1),
        ("top_k", True),
        ("top_k", 2.0),
        ("beams", 0),
        ("repetition_penalty", 0.9),
        ("max_new_tokens", 0),
        ("length_penalty", -1.0),
    ],
)
def test_values_out_of_range_are_refused_with_their_place(name: str, value: Value) -> None:
    with pytest.raises(StudyError, match=rf"search\.deploy\.{name}: must be"):
        decoding_of({name: value})
    with pytest.raises(Malformed):
        Decoding.from_json({**Decoding().to_json(), name: value})


@pytest.mark.parametrize(
    ("values", "blamed"),
    [
        ({"beams": 4, "temperature": 0.7}, "beams"),
        ({"strategy": "beams", "top_k": 5}, "top_k"),
        ({"strategy": "greedy", "temperature": 0.7}, "temperature"),
        ({"strategy": "sampling", "length_penalty": 1.0}, "length_penalty"),
    ],
)
def test_parameters_of_two_strategies_contradict_each_other(values: dict[str, Value], blamed: str) -> None:
    with pytest.raises(StudyError, match=rf"search\.deploy\.{blamed}: has no meaning under .* when strategy is"):
        decoding_of(values)


def searched(strategy: tuple[str, ...] = (), **parameters: Parameter) -> list[Parameter]:
    own = [CategoricalParameter("strategy", strategy)] if strategy else []
    return [*own, *parameters.values(), CategoricalParameter("quantization", ("none", "int8-dynamic"))]


def test_a_search_may_have_every_strategy_with_conditions() -> None:
    sampling, beams = Condition("strategy", ("sampling",)), Condition("strategy", ("beams",))
    temperature = FloatParameter("temperature", 0.3, 1.5, when=(sampling,))
    width = IntParameter("beams", 2, 8, when=(beams,))
    check_decoding(searched(("greedy", "sampling", "beams"), a=temperature, b=width), window=64)
    check_decoding(searched(b=IntParameter("beams", 1, 8)), window=64)
    with pytest.raises(StudyError, match=r"search\.deploy\.temperature: .* when strategy is sampling"):
        check_decoding(searched(("greedy", "sampling"), a=FloatParameter("temperature", 0.3, 1.5)), window=64)
    with pytest.raises(StudyError, match=r"search\.deploy\.beams: has no meaning under sampling"):
        check_decoding(searched(a=FloatParameter("temperature", 0.3, 1.5), b=IntParameter("beams", 1, 4)), window=64)
    with pytest.raises(StudyError, match=r"search\.deploy\.top_p: must be a number above 0"):
        check_decoding(searched(a=FloatParameter("top_p", 0.0, 1.0)), window=64)
    with pytest.raises(StudyError, match=r"search\.deploy\.max_new_tokens: must be below the 64"):
        check_decoding(searched(a=IntParameter("max_new_tokens", 16, 64)), window=64)


def test_json_there_and_back_and_nothing_but_it() -> None:
    decoding = Decoding("sampling", 20, temperature=0.7, top_k=40, top_p=0.9, repetition_penalty=1.1)
    assert Decoding.from_json(json.loads(json.dumps(decoding.to_json()))) == decoding
    whole = decoding.to_json()
    assert set(whole) == set(DECODING_NAMES)
    broken: list[object] = [None, [], {}, {**whole, "more": 1}, {**whole, "beams": "4"}, {**whole, "strategy": []}]
    for hostile in broken:
        with pytest.raises(Malformed, match="decoding parameters"):
            Decoding.from_json(hostile)
