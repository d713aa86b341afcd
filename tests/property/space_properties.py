"""Laws of any search space, over spaces with conditions and ties drawn at random."""

from __future__ import annotations

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.canonical import canonical_json
from autoglm_core.configuration import Configuration
from autoglm_core.parse_parameter import parse_parameters
from autoglm_core.space import SearchSpace
from support.drawn_spaces import drawn, spaces

QUICK = settings(max_examples=60, derandomize=True, deadline=None)


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
