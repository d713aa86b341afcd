"""Two thousand whole sessions with real cryptography end in the exact sum or the abort that the threshold demands."""

from collections import Counter

import pytest

from support.secure_sum_oracle import PHASES, Sum
from support.secure_sum_runs import play

SLICE, ALL = 350, 2_000


def require_ends(seeds: range) -> None:
    """Every session ends as it must, and among them are sums and aborts in every phase."""
    ends = Counter("SUM" if isinstance(end, Sum) else end.phase for end in map(play, seeds))
    assert ends["SUM"] > len(seeds) // 4
    assert min(ends[phase] for phase in PHASES) > len(seeds) // 50


def test_a_slice_of_the_sessions_ends_as_the_threshold_demands() -> None:
    require_ends(range(SLICE))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", range(0, ALL, 500))
def test_every_session_ends_as_the_threshold_demands(start: int) -> None:
    require_ends(range(start, start + 500))
