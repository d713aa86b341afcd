"""Every way in which up to seven sites can fall silent ends in the exact sum or the typed abort that the rule demands.

A site falls silent before one of its five messages, or never. Sites are alike, so `make test` runs each multiset of
these fates once; `make test-long` gives every site every fate, which is most of an hour. Its shards, one for a number
of sites and a first site's fate, can be run apart: `pytest -m long tests/property/secure_sum_dropouts.py -k 7-mask`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement, product

import pytest

from autoglm_core.privacy.coordinator_session import Phase
from support.secure_sum_checks import require_end, require_honest, require_nothing_released
from support.secure_sum_oracle import PHASES, End, Sum, TooFew, demanded
from support.secure_sum_wire import Deployment, Wire, inputs_for

FATES = (*PHASES, None)
SITES = (3, 4, 5, 6, 7)

ENDS = {
    3: (21, 15, 10, 6, 3, 1),
    4: (21, 30, 30, 24, 15, 6),
    5: (56, 70, 60, 40, 20, 6),
    6: (56, 105, 120, 100, 60, 21),
    7: (126, 210, 210, 150, 75, 21),
}
"""How many multisets of fates end where: in an abort in each phase, and in the sum.

Of n sites n - t may drop, so n = 7 with t = 5 has C(2 + 5, 5) = 21 ways to the sum.
"""
LONGEST = 4 * 3600


class Sessions:
    """Sessions over one deployment; how silence is noticed and when inputs come changes from one to the next."""

    def __init__(self, sites: int, *, minimum: int = 3) -> None:
        self.deployment = Deployment.of(sites, minimum_cohort=minimum)
        self.spec = self.deployment.spec(parameters=3)
        self.inputs = inputs_for(self.spec)
        self.number = 0

    def run(self, fates: Sequence[str | None]) -> End:
        """One session in which the sites have these fates; what it had to end in, and did."""
        self.number += 1
        cohort = self.spec.cohort
        drops = {site: fate for site, fate in zip(cohort, fates, strict=True) if fate is not None}
        reported = ((), cohort, cohort[::2])[self.number % 3]
        wire = Wire(
            self.deployment,
            self.spec,
            self.inputs,
            drops={site: Phase[fate] for site, fate in drops.items()},
            reported=reported,
            late=cohort if self.number % 4 == 1 else (),
            late_input=self.number % 2 == 0,
            seed=self.number,
        )
        end = demanded(cohort, drops, minimum=self.spec.minimum_cohort, reported=reported)
        wire.run()
        require_end(wire, end)
        require_honest(wire)
        require_nothing_released(wire, end)
        return end


def counted(ends: Iterable[End]) -> tuple[int, ...]:
    """How many of `ends` are an abort in each phase, and the sum."""
    phases = Counter(None if isinstance(end, Sum) else end.phase for end in ends)
    return tuple(phases[fate] for fate in FATES)


@pytest.mark.parametrize(
    "sites", [*(n for n in ENDS if n < 7), *(pytest.param(n, marks=pytest.mark.long) for n in ENDS if n >= 7)]
)
def test_every_multiset_of_dropouts_ends_as_the_threshold_demands(sites: int) -> None:
    sessions = Sessions(sites)
    assert counted(map(sessions.run, combinations_with_replacement(FATES, sites))) == ENDS[sites]


@pytest.mark.parametrize("sites", [4, 5])
def test_a_minimum_cohort_above_the_threshold_binds_up_to_the_sum_and_the_threshold_after_it(sites: int) -> None:
    """Whoever is needed for the sum need not stay to open it."""
    sessions = Sessions(sites, minimum=sites)
    ends = Counter(map(sessions.run, combinations_with_replacement(FATES, sites)))
    assert {end.needed for end in ends if isinstance(end, TooFew)} == {sites, sessions.spec.threshold}
    assert ends[Sum(frozenset(sessions.spec.cohort))] == {4: 3, 5: 3}[sites]


@pytest.mark.long
@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("first", FATES, ids=lambda fate: "none" if fate is None else fate.lower())
@pytest.mark.parametrize("sites", ENDS)
def test_every_assignment_of_dropouts_ends_as_the_threshold_demands(sites: int, first: str | None) -> None:
    sessions = Sessions(sites)
    ends = counted(sessions.run((first, *others)) for others in product(FATES, repeat=sites - 1))
    assert sum(ends) == len(FATES) ** (sites - 1)
    # The sum and an abort are both reached, but for three sites of which one is gone from the start.
    assert ends[-1] > 0 or (sites == 3 and first is not None)
    assert sum(ends[:-1]) > 0
