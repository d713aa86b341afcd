"""Pruning removes channels, not behaviour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_compression.models.chain import Chain, Convolution, Dense, Tensors
from autoglm_compression.models.numerics import torch_logits
from autoglm_compression.models.prune import kept_count, prune, pruned_chain, strongest
from support.chains import small_cnn, tensors_of

CNN = small_cnn(16)
INPUTS = np.random.default_rng(3).integers(0, 17, (9, 1, 8, 8)).astype(np.float32)


def silenced(
    chain: Chain, tensors: Tensors, fraction: float
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """The same network with its weakest channels set to zero instead of removed."""
    result = {name: array.copy() for name, array in tensors.items()}
    for layer, smaller in zip(chain.layers[:-1], pruned_chain(chain, fraction).layers, strict=False):
        weight = result[f"{layer.name}.weight"]
        gone = np.setdiff1d(np.arange(layer.outputs), strongest(weight, smaller.outputs))
        weight[gone] = 0
        result[f"{layer.name}.bias"][gone] = 0
    return result


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.9])
def test_a_pruned_network_acts_like_one_with_silent_channels(fraction: float) -> None:
    tensors = silenced(CNN, tensors_of(CNN), fraction)
    smaller, kept = prune(CNN, tensors, fraction)
    assert {name: array.shape for name, array in kept.items()} == smaller.shapes
    np.testing.assert_allclose(
        torch_logits(smaller, kept, INPUTS), torch_logits(CNN, tensors, INPUTS), rtol=1e-4, atol=1e-4
    )


def test_nothing_pruned_is_the_same_network() -> None:
    smaller, kept = prune(CNN, tensors_of(CNN), 0.0)
    assert smaller == CNN
    assert all(np.array_equal(kept[name], array) for name, array in tensors_of(CNN).items())


def test_hidden_units_of_a_perceptron_are_pruned_and_its_inputs_and_classes_are_not() -> None:
    chain = Chain((5,), (Dense("hidden", 5, 32), Dense("head", 32, 2)))
    smaller = pruned_chain(chain, 0.5)
    assert smaller.layers == (Dense("hidden", 5, 16), Dense("head", 16, 2))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.integers(1, 300), st.floats(0, 0.999))
def test_counts_are_whole_blocks_and_never_nothing(channels: int, fraction: float) -> None:
    kept = kept_count(channels, fraction)
    assert min(channels, 8) <= kept <= channels
    assert kept == channels or kept % 8 == 0
    assert kept >= kept_count(channels, min(fraction + 0.1, 0.999))


def test_the_strongest_channels_by_l1_norm_stay_in_order() -> None:
    weight = np.array([[1, -1], [0, 5], [-3, 0], [2, 2]], np.float32)
    assert strongest(weight, 2).tolist() == [1, 3]


def test_flattened_positions_follow_their_channel() -> None:
    chain = Chain((1, 4, 4), (Convolution("conv", 1, 16, pool=2), Dense("head", 64, 3)))
    tensors = tensors_of(chain)
    keep = strongest(tensors["conv.weight"], 8)
    _, kept = prune(chain, tensors, 0.5)
    expected = tensors["head.weight"].reshape(3, 16, 4)[:, keep].reshape(3, 32)
    assert np.array_equal(kept["head.weight"], expected)
