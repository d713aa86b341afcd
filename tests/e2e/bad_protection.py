"""A study that asks for more protection than the deployment can give: refused with what to change, nothing stored."""

from __future__ import annotations

import pytest

from support.consortium import Consortium
from support.ward import FOUR_SITES, study_file

ASKED = "{secure_sum: required, minimum_cohort: 3}"


def stored(consortium: Consortium) -> list[str]:
    return [study.id for study in consortium.client.studies()]


@pytest.mark.parametrize("verb", [("submit", "--dry-run"), ("submit",)], ids=" ".join)
@pytest.mark.parametrize(
    ("asks", "told"),
    [
        ("{secure_sum: required, minimum_cohort: 5}", ("minimum_cohort", "5 sites", "the roster has 4", "lower it")),
        ("{secure_sum: required, random_k: 1.0e-6}", ("random_k", "less than one", "ask for")),
    ],
    ids=["minimum cohort", "random-k"],
)
def test_what_the_deployment_cannot_give_is_refused(
    consortium: Consortium, asks: str, told: tuple[str, ...], verb: tuple[str, ...]
) -> None:
    file = study_file(consortium.operator.folder, (ASKED, asks), name="greedy")
    consortium.operator.types("check", file.name)
    before = stored(consortium)
    said = consortium.operator.refused(verb[0], file.name, *verb[1:])
    assert said.startswith("autoglm: protection.")
    assert all(word in said for word in told), said
    assert stored(consortium) == before


def test_a_roster_that_somebody_has_not_accepted_carries_no_study(consortium: Consortium) -> None:
    study_file(consortium.operator.folder, name="early")
    proposed = consortium.client.propose_roster(FOUR_SITES, minimum_cohort=3)
    for name in FOUR_SITES[1:]:
        consortium.wait_offered(consortium[name], proposed.hash)
        consortium[name].types("roster", "accept", proposed.hash[:16])
    before = stored(consortium)
    said = consortium.operator.refused("submit", "early.yaml")
    assert f"{FOUR_SITES[0]} did not accept roster {proposed.hash[:16]} yet" in said
    assert not any(f"{name} " in said for name in FOUR_SITES[1:])
    assert f"`autoglm-agent roster accept {proposed.hash[:16]}`" in said
    assert stored(consortium) == before
    consortium.agree(*FOUR_SITES)
    study = consortium.operator.types("submit", "early.yaml").split()[0]
    consortium.operator.types("stop", study)


def test_a_cohort_without_a_spare_site_is_allowed_and_said(consortium: Consortium) -> None:
    file = study_file(consortium.operator.folder, (ASKED, ASKED.replace("3", "4")), name="tight")
    printed = consortium.operator.types("submit", file.name)
    study = printed.split()[0]
    assert "none can be missing" in printed
    assert "none can be missing" in consortium.operator.types("status", study)
    consortium.operator.types("stop", study)
    relaxed = study_file(consortium.operator.folder, name="relaxed")
    printed = consortium.operator.types("submit", relaxed.name)
    assert "none can be missing" not in printed
    assert "a round can lose 1" in consortium.operator.types("status", printed.split()[0])
    consortium.operator.types("stop", printed.split()[0])
