"""Laws of ring and masks, over a hundred thousand generated cases: what comes out is the integer sum, bit for bit."""

import pytest

from support.secure_sum_cases import EDGE_EVERY, play

SEED = 20_261
SLICE, ALL = 5_000, 100_000


def require_laws(numbers: range) -> None:
    """The laws hold, and the cases reach what they are about, edges of the mask generator's buffer among them."""
    seen = [play(SEED, number) for number in numbers]
    for aspect in ("wrapped", "quantized", "dropped"):
        assert sum(getattr(one, aspect) for one in seen) > len(seen) // 20, aspect
    assert len(numbers) > EDGE_EVERY


def test_the_sum_is_the_integer_sum_in_a_slice_of_the_cases() -> None:
    require_laws(range(SLICE))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("start", range(0, ALL, ALL // 10))
def test_the_sum_is_the_integer_sum_in_every_case(start: int) -> None:
    require_laws(range(start, start + ALL // 10))
