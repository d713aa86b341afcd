"""What decides before a site touches its data: the study's state there, and policy.

Offers that lie are in `tests/attacks/offers.py`, against a whole agent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from autoglm_agent.admission import admit
from autoglm_agent.config import Approval, PolicyConfig, Rule
from autoglm_agent.ledger import Ledger, StudyState
from autoglm_agent.policy import judge
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.study import Study
from autoglm_core.task import Manifest
from support.agent_sites import (
    SITES,
    STUDY_ID,
    Site,
    approve,
    make_site,
    make_spec,
    offer_of,
    parameters_manifest,
    roster_of,
    toy_study,
)


@dataclass(frozen=True)
class Case:
    site: Site
    ledger: Ledger
    study: Study
    roster: Roster
    manifest: Manifest
    spec: SessionSpec

    def answer(self) -> RefusalCode:
        try:
            admit(offer_of(self.spec, self.manifest), self.spec, ledger=self.ledger, config=self.site.config)
        except RefusedWith as refusal:
            return refusal.reason
        return RefusalCode.OK


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    sites = [make_site(tmp_path, name) for name in SITES]
    ledger, study, roster = Ledger(sites[0].state.ledger), toy_study(), roster_of(sites)
    approve(ledger, study, roster)
    manifest = parameters_manifest(b"weights")
    yield Case(sites[0], ledger, study, roster, manifest, make_spec(manifest, roster, study))
    ledger.close()


def test_an_honest_offer_is_admitted(case: Case) -> None:
    assert case.answer() is RefusalCode.OK


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (StudyState.OFFERED, RefusalCode.NOT_APPROVED),
        (StudyState.DENIED, RefusalCode.DENIED),
        (StudyState.WITHDRAWN, RefusalCode.WITHDRAWN),
        (StudyState.ENDED, RefusalCode.NOT_APPROVED),
    ],
)
def test_only_an_approved_study_runs(case: Case, state: StudyState, code: RefusalCode) -> None:
    case.ledger.decide(STUDY_ID, state)
    assert case.answer() is code


def test_policy_answers_in_order_of_what_must_change(tmp_path: Path) -> None:
    site = make_site(tmp_path, "site-a")

    def said(study: Study, *, roster: bool = True, **policy: Any) -> RefusalCode:
        config = replace(site.config, policy=replace(PolicyConfig(), **policy))
        return judge(config, study, roster_accepted=roster)

    study, unmasked = toy_study(), toy_study(protection={"secure_sum": "off", "minimum_cohort": 1})
    assert said(study) is RefusalCode.WOULD_ASK
    assert said(study, approval=Approval.SIMULATED) is RefusalCode.OK
    few = Rule(workloads=("synthetic",), max_rounds=3)
    assert said(study, approval=Approval.RULES, rules=(few,)) is RefusalCode.OK
    assert said(study, approval=Approval.RULES, rules=(replace(few, max_rounds=2),)) is RefusalCode.WOULD_ASK
    assert said(study, roster=False) is RefusalCode.ROSTER_NOT_ACCEPTED
    assert said(study, minimum_cohort=5) is RefusalCode.MINIMUM_COHORT
    assert said(toy_study(data="others")) is RefusalCode.UNKNOWN_DATA
    assert said(unmasked) is RefusalCode.SECURE_SUM_OFF
    assert said(unmasked, release_model=True) is RefusalCode.WOULD_ASK
