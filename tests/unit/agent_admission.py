"""What a site refuses before it touches its data: one change to an honest offer at a time."""

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
from autoglm_core.canonical import canonical_json
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.configuration import Configuration
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.measurement import Split
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import Purpose, SessionSpec
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

    def answer(self, spec: SessionSpec, manifest: Manifest | None = None, **task: Any) -> RefusalCode:
        offer = offer_of(spec, manifest or self.manifest)
        offer = replace(offer, task=replace(offer.task, **task))
        try:
            admit(offer, spec, ledger=self.ledger, config=self.site.config)
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
    assert case.answer(case.spec) is RefusalCode.OK


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"study_id": "other"}, RefusalCode.NOT_APPROVED),
        ({"study_hash": "0" * 64}, RefusalCode.OUTSIDE_APPROVAL),
        ({"roster_hash": "0" * 64}, RefusalCode.ROSTER_NOT_ACCEPTED),
        ({"workload": "image-classification"}, RefusalCode.OUTSIDE_APPROVAL),
        ({"workload_version": 99}, RefusalCode.WORKLOAD_VERSION),
        ({"masked": False}, RefusalCode.SECURE_SUM_OFF),
        ({"clip": 1e6}, RefusalCode.OUTSIDE_APPROVAL),
        ({"ring_bits": 16}, RefusalCode.OUTSIDE_APPROVAL),
        ({"round": 4}, RefusalCode.OUTSIDE_APPROVAL),
        ({"minimum_cohort": 2}, RefusalCode.MINIMUM_COHORT),
        ({"manifest_hash": "0" * 64}, RefusalCode.BAD_MANIFEST),
        ({"models": ("0" * 64,)}, RefusalCode.BAD_MANIFEST),
        ({"configuration": b"[]"}, RefusalCode.BAD_MANIFEST),
        ({"parameters": 1999}, RefusalCode.BAD_MANIFEST),
        ({"purpose": Purpose.VALIDATE, "parameters": 0}, RefusalCode.BAD_MANIFEST),
        ({"purpose": Purpose.CONSTANTS, "parameters": 0}, RefusalCode.BAD_MANIFEST),
    ],
    ids=str,
)
def test_a_spec_that_differs_in_one_field_is_refused(case: Case, changes: dict[str, Any], code: RefusalCode) -> None:
    assert case.answer(replace(case.spec, **changes)) is code


def test_a_lower_epoch_than_ever_seen_is_refused(case: Case) -> None:
    case.ledger.raise_store_epoch(6)
    assert case.answer(case.spec) is RefusalCode.OLD_EPOCH


def test_a_session_id_whose_vector_left_is_refused(case: Case) -> None:
    case.ledger.use_session(case.spec.session_id, study_id=STUDY_ID, vector="v")
    assert case.answer(case.spec) is RefusalCode.SESSION_REUSED


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
    assert case.answer(case.spec) is code


def test_widened_counters_are_refused(case: Case) -> None:
    """One more field would carry out what the workload does not count."""
    layout = case.spec.counter_layout + CounterLayout((CounterField("first_row", (8,)),))
    widened = replace(case.spec, counters=canonical_json(layout.to_json()))
    assert case.answer(widened) is RefusalCode.COUNTERS_WIDENED


@pytest.mark.parametrize(
    "tune", [{"learning_rate": 0.0}, {"learning_rate": 0.1, "momentum": 0.9}, {}], ids=["value", "extra", "missing"]
)
def test_a_configuration_outside_the_approved_space_is_refused(case: Case, tune: dict[str, float]) -> None:
    """Learning rate 0 for all sites but one would read that one's update out of a perfectly secure sum."""
    item = replace(case.manifest.items[0], configuration=Configuration(tune=tune))
    manifest = replace(case.manifest, items=(item,))
    assert case.answer(make_spec(manifest, case.roster, case.study), manifest) is RefusalCode.OUTSIDE_APPROVAL


@pytest.mark.parametrize("split", [Split.TEST, Split.TRAIN])
def test_an_evaluation_on_rows_of_another_purpose_is_refused(case: Case, split: Split) -> None:
    manifest = replace(case.manifest, split=split)
    spec = make_spec(manifest, case.roster, case.study, purpose=Purpose.VALIDATE)
    assert case.answer(spec, manifest) is RefusalCode.BAD_MANIFEST


def test_constants_of_another_length_are_refused(case: Case) -> None:
    manifest = replace(case.manifest, constants=(1,))
    assert case.answer(make_spec(manifest, case.roster, case.study), manifest) is RefusalCode.BAD_MANIFEST


@pytest.mark.parametrize("task", [{"round": 2}, {"attempt": 2}, {"trial": "u"}, {"study_id": "other"}], ids=str)
def test_a_task_that_is_not_the_specs_is_refused(case: Case, task: dict[str, Any]) -> None:
    assert case.answer(case.spec, **task) is RefusalCode.BAD_MANIFEST


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
