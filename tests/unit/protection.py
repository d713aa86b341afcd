"""What a study's protection comes to over so many sites, and what no number of sites can give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_coordinator.trials.submission import ProtectionUnmet, check_protection
from autoglm_core.privacy.roster import Roster
from autoglm_core.protection import RosterKind, protection_in_force, protection_lines
from autoglm_core.study import Study
from support.agent_sites import toy_study
from support.secure_sum_wire import Deployment

OFF = {"secure_sum": "off", "minimum_cohort": 1}


def roster(sites: int, *, colluders: int = 0) -> Roster:
    return replace(Deployment.of(sites).roster, colluders=colluders)


def text(study: Study, sites: int, kind: RosterKind = RosterKind.PINNED) -> str:
    return "\n".join(protection_lines(protection_in_force(study, roster(sites), sites=sites, kind=kind)))


@pytest.mark.parametrize(("sites", "spare"), [(3, 0), (4, 1), (5, 1), (10, 3), (100, 33)])
def test_the_sites_that_a_round_can_lose_are_those_above_threshold_and_minimum(sites: int, spare: int) -> None:
    facts = protection_in_force(toy_study(), roster(sites), sites=sites, kind=RosterKind.PINNED)
    assert facts["spare_sites"] == spare == sites - max(facts["threshold"], facts["minimum_cohort"])


def test_without_the_secure_sum_nothing_is_said_of_its_parts() -> None:
    facts = protection_in_force(toy_study(protection=OFF), roster(3), sites=3, kind=RosterKind.PINNED)
    assert not {"suite", "threshold", "colluders", "spare_sites"} & facts.keys()
    assert "each site's update" in facts["not_protected"]
    assert "secure sum: off" in text(toy_study(protection=OFF), 3)


def test_a_roster_that_nobody_looked_at_is_named() -> None:
    assert "keys that nobody compared" not in text(toy_study(), 4)
    assert "keys that nobody compared" in text(toy_study(), 4, RosterKind.SIMULATED)


def test_what_a_round_carries_is_said_where_it_is_not_all() -> None:
    assert "0.25 of the weights in each round" in text(toy_study(protection={"random_k": 0.25}), 4)


@pytest.mark.parametrize(("sites", "refused"), [(3, False), (45, False), (46, True), (100, True)])
def test_sixteen_bits_are_refused_where_they_leave_too_few_levels(sites: int, refused: bool) -> None:
    study = toy_study(protection={"ring_bits": 16})
    if not refused:
        check_protection(study, roster(sites), sites=sites)
        return
    with pytest.raises(ProtectionUnmet, match=r"protection\.ring_bits: .* ask for 32"):
        check_protection(study, roster(sites), sites=sites)
    check_protection(toy_study(), roster(sites), sites=sites)


def test_more_assumed_colluders_than_the_threshold_bears_are_refused() -> None:
    check_protection(toy_study(), roster(4, colluders=3), sites=4)
    with pytest.raises(ProtectionUnmet, match="4 sites of which 4 are assumed to collude"):
        check_protection(toy_study(), roster(4, colluders=4), sites=4)
    check_protection(toy_study(protection=OFF), roster(4, colluders=4), sites=4)
