"""Sessions under random schedules, up to a hundred sites: dead sites, broken connections, coordinators that resume."""

from collections import Counter
from collections.abc import Iterable

import pytest

from support.secure_sum_night import examine, main
from support.secure_sum_oracle import Sum
from support.secure_sum_schedule import play

SMALL = [(seed, 3 + seed % 10) for seed in range(120)]
LARGE = [(1, 25), (2, 40), (3, 60), (4, 100)]


def ends_of(schedules: Iterable[tuple[int, int | None]]) -> Counter[tuple[str, bool]]:
    """How the schedules of these (seed, sites) ended, and whether their coordinator had died."""
    ends: Counter[tuple[str, bool]] = Counter()
    for seed, sites in schedules:
        end, resumed = play(seed, sites=sites)
        ends["SUM" if isinstance(end, Sum) else end.phase, resumed > 0] += 1
    return ends


def test_small_cohorts_end_as_the_threshold_demands_whatever_befalls_them() -> None:
    ends = ends_of(SMALL)
    assert ends["SUM", False] > 5
    assert ends["SUM", True] > 20
    assert {phase for phase, _ in ends} == {"ADVERTISE", "SHARE", "MASK", "CONSISTENCY", "UNMASK", "SUM"}


def test_large_cohorts_end_as_the_threshold_demands_whatever_befalls_them() -> None:
    ends = ends_of(LARGE)
    assert ends["SUM", True] > 0
    assert ends.total() == len(LARGE)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("start", range(1_000, 2_000, 250))
def test_cohorts_of_any_size_end_as_the_threshold_demands(start: int) -> None:
    ends = ends_of((seed, None) for seed in range(start, start + 250))
    assert min(ends["SUM", False], ends["SUM", True]) > 25


def test_a_night_names_the_seed_of_every_failure() -> None:
    def fails(seed: int) -> None:
        raise AssertionError(f"odd {seed}")

    assert examine(7, (fails, lambda _: None)) == ["SEED=7: odd 7"]
    assert examine(7, (lambda _: None,)) == []


def test_one_seed_of_a_night_can_be_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "5"]) == 0
    assert capsys.readouterr().out == "1 seeds, 0 failures\n"


@pytest.mark.long
def test_a_night_ends_when_its_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hours", "0.001"]) == 0
    assert capsys.readouterr().out.endswith(" seeds, 0 failures\n")
