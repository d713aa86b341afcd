"""No percentile without its samples, no figure without its uncertainty."""

from __future__ import annotations

import numpy as np
import pytest

from autoglm_agent.measure.errors import TooFewSamples
from autoglm_agent.measure.percentiles import percentile_of_blocks, samples_needed
from autoglm_core.measurement import Provenance


@pytest.mark.parametrize(("percentile", "needed"), [(50, 11), (90, 64), (95, 130), (99, 662)])
def test_the_rule_gives_the_published_numbers(percentile: float, needed: int) -> None:
    assert samples_needed(percentile) == needed


def test_a_percentile_of_too_few_samples_is_refused() -> None:
    blocks = [np.ones(13)] * 9 + [np.ones(12)]
    with pytest.raises(TooFewSamples) as refused:
        percentile_of_blocks(blocks, 95)
    assert refused.value.data == {"percentile": 95, "count": 129, "needed": 130}


def test_one_block_has_no_standard_error() -> None:
    with pytest.raises(TooFewSamples):
        percentile_of_blocks([np.ones(1000)], 95)


def test_the_percentile_is_of_all_samples_and_the_error_of_the_blocks() -> None:
    blocks = [np.full(20, float(level)) for level in range(10)]
    figure = percentile_of_blocks(blocks, 50)
    assert (figure.mean, figure.count, figure.provenance) == (4.5, 200, Provenance.MEASURED)
    assert figure.standard_error == pytest.approx(np.std(range(10), ddof=1) / np.sqrt(10))


def test_the_standard_error_covers_the_truth() -> None:
    stream = np.random.default_rng(3)
    truth, covered = np.log(2.0), 0
    for _ in range(200):
        figure = percentile_of_blocks([stream.exponential(size=200) for _ in range(10)], 50)
        covered += abs(figure.mean - truth) < 2 * figure.standard_error
    assert covered >= 180
