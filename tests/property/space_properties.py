"""Laws of any search space, over spaces with conditions and ties drawn at random."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.canonical import canonical_json
from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter
from autoglm_core.parse_parameter import parse_parameters
from autoglm_core.space import SearchSpace
from autoglm_core.study_error import ImpossibleSpace

QUICK = settings(max_examples=60, derandomize=True, deadline=None)
CHOICES = ("a", "b", "c")


@st.composite
def spellings(draw: st.DrawFn, prefix: str, earlier: tuple[str, ...] = ()) -> dict[str, Any]:
    """Parameters by name; any may depend on a choice before it or be tied to one."""
    result: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 5))):
        kinds = ["float", "int", "choice", *(["tie"] if earlier else [])]
        kind = draw(st.sampled_from(kinds))
        name = f"{prefix}{number}_{kind}"
        entry: dict[str, Any]
        match kind:
            case "float":
                low = draw(st.floats(1e-6, 1.0))
                entry = {"type": "float", "min": low, "max": low * 7, "scale": draw(st.sampled_from(["linear", "log"]))}
            case "int":
                low = draw(st.integers(1, 9))
                entry = {"type": "int", "min": low, "max": low + draw(st.integers(0, 9)), "scale": "log"}
            case "choice":
                entry = {"type": "categorical", "choices": list(CHOICES)}
            case _:
                entry = {"same_as": draw(st.sampled_from(earlier))}
        parents = [name for name in earlier if name.endswith("choice")]
        if draw(st.booleans()) and parents:
            wanted = draw(st.lists(st.sampled_from(CHOICES), min_size=1, unique=True))
            entry["when"] = {draw(st.sampled_from(parents)): wanted}
        result[name] = entry
        earlier = (*earlier, name)
    return result


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """A space that is not impossible."""
    tune = draw(spellings("t"))
    deploy = draw(spellings("d", tuple(tune)))
    try:
        return SearchSpace(parse_parameters(tune, ("tune",)), parse_parameters(deploy, ("deploy",)))
    except ImpossibleSpace:
        # Conditions that exclude each other: rare, and refused by design.
        return SearchSpace(parse_parameters({"x": [1]}, ("tune",)))


def drawn(space: SearchSpace, seed: int) -> Configuration:
    """A configuration at random."""
    generator = random.Random(seed)  # noqa: S311  no secret

    def choose(parameter: FreeParameter) -> Value:
        match parameter:
            case CategoricalParameter():
                return generator.choice(parameter.choices)
            case FloatParameter():
                return generator.uniform(parameter.minimum, parameter.maximum)
        return generator.randint(parameter.minimum, parameter.maximum)

    return space.build(choose)


@QUICK
@given(spaces(), st.integers(0, 2**32))
def test_what_is_built_lies_inside_and_survives_the_wire(space: SearchSpace, seed: int) -> None:
    configuration = drawn(space, seed)
    space.check(configuration)
    space.check(Configuration.from_json(json.loads(canonical_json(configuration.to_json()))))


@QUICK
@given(spaces())
def test_the_reference_lies_inside(space: SearchSpace) -> None:
    space.check(space.reference())


@QUICK
@given(spaces(), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_a_value_more_or_less_lies_outside(space: SearchSpace, seed: int, generator: random.Random) -> None:
    configuration = drawn(space, seed)
    tune = dict(configuration.tune)
    if tune:
        del tune[generator.choice(sorted(tune))]
        assert not space.contains(Configuration(tune, configuration.deploy))
    assert not space.contains(Configuration({**configuration.tune, "stranger": 1}, configuration.deploy))


@QUICK
@given(spaces())
def test_the_canonical_form_reads_back(space: SearchSpace) -> None:
    form = json.loads(canonical_json(space.to_json()))
    again = SearchSpace(parse_parameters(form["tune"], ("tune",)), parse_parameters(form["deploy"], ("deploy",)))
    assert again == space
