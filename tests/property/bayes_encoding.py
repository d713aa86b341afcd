"""Laws of the two cubes in which the Bayesian sampler works, over spaces with conditions and ties."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import CategoricalParameter, FloatParameter, IntParameter, Scale
from autoglm_core.space import SearchSpace
from support.drawn_spaces import spaces

QUICK = settings(max_examples=60, derandomize=True, deadline=None)
SEEDS = st.integers(0, 2**32)


@QUICK
@given(spaces(), SEEDS)
def test_a_configuration_finds_its_way_back_through_the_latent_cube(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cube = UnitCube(space)
    configuration = cube.configuration(rng.random(cube.latents))
    space.check(configuration)
    latent = cube.latent(configuration, fill=rng.random(cube.latents))
    assert latent.min() >= 0 and latent.max() <= 1
    assert cube.configuration(latent) == configuration


@QUICK
@given(spaces(), SEEDS)
def test_encodings_lie_in_the_unit_cube_and_differ_where_configurations_do(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cube = UnitCube(space)
    configurations = [cube.configuration(latent) for latent in rng.random((20, cube.latents))]
    encoded = cube.encode(configurations)
    assert encoded.shape == (20, len(cube.groups))
    assert encoded.min() >= 0 and encoded.max() <= 1
    assert len({row.tobytes() for row in encoded}) == len(set(configurations))


@QUICK
@given(spaces(), SEEDS)
def test_an_encoding_says_which_configuration_it_is_of(space: SearchSpace, seed: int) -> None:
    cube = UnitCube(space)
    for latent in np.random.default_rng(seed).random((10, cube.latents)):
        configuration = cube.configuration(latent)
        assert cube.decode(cube.encode([configuration])[0]) == configuration


@QUICK
@given(st.integers(1, 100), st.integers(0, 10_000), st.sampled_from(Scale), st.data())
def test_every_integer_can_be_reached(low: int, span: int, scale: Scale, data: st.DataObject) -> None:
    value = data.draw(st.integers(low, low + span))
    space = SearchSpace(tune=(IntParameter("x", low, low + span, scale),))
    cube = UnitCube(space)
    configuration = Configuration(tune={"x": value})
    assert cube.configuration(cube.latent(configuration, fill=np.zeros(1))) == configuration


@QUICK
@given(st.floats(0, 1), st.sampled_from(Scale))
def test_values_of_a_range_keep_their_order(latent: float, scale: Scale) -> None:
    cube = UnitCube(SearchSpace(tune=(FloatParameter("rate", 1e-5, 1e-1, scale),)))
    lower, value = (cube.configuration(np.array([at])).tune["rate"] for at in (latent / 2, latent))
    assert isinstance(lower, float) and isinstance(value, float)
    assert 1e-5 <= lower <= value <= 1e-1


def test_choices_are_told_apart_with_their_type_and_are_equally_far_from_each_other() -> None:
    choices = (1, 1.0, True, "1")
    space = SearchSpace(tune=(CategoricalParameter("mixed", choices),))
    cube = UnitCube(space)
    configurations = [Configuration(tune={"mixed": choice}) for choice in choices]
    for configuration in configurations:
        back = cube.configuration(cube.latent(configuration, fill=np.zeros(1)))
        assert type(back.tune["mixed"]) is type(configuration.tune["mixed"])
    encoded = cube.encode(configurations)
    distances = np.linalg.norm(encoded[:, None] - encoded[None], axis=2)
    assert np.allclose(distances, 1 - np.eye(4))


def test_numbers_among_choices_keep_their_order() -> None:
    space = SearchSpace(tune=(CategoricalParameter("width", (16, 32, 64)),))
    encoded = UnitCube(space).encode([Configuration(tune={"width": width}) for width in (16, 32, 64)])
    assert encoded.tolist() == [[0.0], [0.5], [1.0]]
