"""Ranges from summed histograms."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_compression.models.calibrate import (
    BINS,
    collect,
    histogram,
    histogram_layout,
    plausible_histograms,
    ranges,
)
from autoglm_compression.models.float_graph import float_model
from support.chains import small_cnn, tensors_of

NAMES = ("layer",)


def range_of(*parts: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    total = sum(histogram(part) for part in parts)
    found = ranges({"input/layer": np.asarray(total)}, NAMES)["layer"]
    return found.low, found.high


def test_histograms_of_sites_add_up_to_the_histogram_of_all_rows() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    together = histogram(values)
    assert together.shape == (2, BINS)
    assert together.sum() == 1000
    assert np.array_equal(histogram(values[:300]) + histogram(values[300:]), together)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.floats(1e-4, 1e5), st.floats(1e-4, 1e5))
def test_a_range_covers_its_values_and_is_at_most_a_tenth_too_wide(low: float, high: float) -> None:
    found = range_of(np.array([-low, 0, high], np.float32))
    assert low * 0.999 <= -found[0] <= low * 1.1
    assert high * 0.999 <= found[1] <= high * 1.1


def test_one_outlier_in_many_values_is_clipped() -> None:
    values = np.linspace(0, 1, 50_000, dtype=np.float32)
    assert range_of(values, np.array([1e4], np.float32))[1] < 1.1


def test_extremes_and_numbers_that_are_none_do_no_harm() -> None:
    assert range_of(np.array([0, np.nan, np.inf], np.float32)) == (0.0, 1.0)
    assert range_of(np.zeros(0, np.float32)) == (-1.0, 1.0)
    assert range_of(np.array([1e30], np.float32))[1] > 2.0**19


def test_collected_histograms_fit_the_layout_and_see_every_activation() -> None:
    chain = small_cnn(16)
    layers = ("conv1", "conv3", "head")
    inputs = np.random.default_rng(0).integers(0, 17, (300, 1, 8, 8)).astype(np.float32)
    found = collect(float_model(chain, tensors_of(chain), watch=layers).SerializeToString(), inputs, layers)
    histogram_layout(layers).encode(found)
    counts = [int(found[f"input/{name}"].sum()) for name in layers]
    assert counts == [300 * 64, 300 * 32 * 16, 300 * 32 * 4]
    assert found["input/head"][0].sum() == 0
    histogram_layout(layers).encode(plausible_histograms(chain, layers))
