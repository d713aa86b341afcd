"""The offer lies: about the study, the cohort, the threshold, the model, what is counted, or what was seen before.

Everything here is refused before the agent draws a secret, reads a row or says a word in the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from autoglm_core.canonical import canonical_json
from autoglm_core.codes import RefusalCode
from autoglm_core.configuration import Configuration
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.measurement import Split
from autoglm_core.privacy.errors import SpecRefused
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.roster import BadRoster
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.site_session import SiteSession
from support.agent_coordinator import STUDY_EPOCH, weights
from support.agent_sites import PARAMETERS, parameters_manifest
from support.live_victim import AgentVictim
from support.secure_sum_wire import Deployment, completed
from support.victims import FOUR, VICTIM, meets

MODEL = weights(0.5, PARAMETERS)


def test_control_an_honest_offer_is_taken_and_summed(agent: AgentVictim) -> None:
    assert completed(meets(agent).outcome).survivors == FOUR


LOWERED: Mapping[str, tuple[dict[str, Any], RefusalCode]] = {
    "threshold": ({"threshold": 2}, RefusalCode.SPEC_REFUSED),
    "colluders": ({"colluders": 0}, RefusalCode.SPEC_REFUSED),
    "minimum cohort": ({"minimum_cohort": 2}, RefusalCode.MINIMUM_COHORT),
    "cohort of two": ({"cohort": ("site-a", VICTIM), "threshold": 2}, RefusalCode.SPEC_REFUSED),
    "masks off": ({"masked": False}, RefusalCode.SECURE_SUM_OFF),
    "other suite": ({"suite": "autoglm/v1/plain"}, RefusalCode.SPEC_REFUSED),
    "ring of 16 bits": ({"ring_bits": 16}, RefusalCode.OUTSIDE_APPROVAL),
    "levels that overflow": ({"levels": 2**31}, RefusalCode.SPEC_REFUSED),
    "wider clip": ({"clip": 1e6}, RefusalCode.OUTSIDE_APPROVAL),
    "weight cap beyond reason": ({"weight_cap": 2**41}, RefusalCode.SPEC_REFUSED),
    "noise that nobody adds": ({"noise": 1.0}, RefusalCode.SPEC_REFUSED),
}


@pytest.mark.parametrize(("changes", "code"), LOWERED.values(), ids=LOWERED.keys())
def test_the_protection_is_lowered(agent: AgentVictim, changes: dict[str, Any], code: RefusalCode) -> None:
    """Fewer shares would open a vector, or the coordinator's own would be enough."""
    agent.turns_down(agent.ground.round(**changes), code)


COHORTS: Mapping[str, tuple[tuple[str, ...], RefusalCode]] = {
    "a site twice": (("site-a", "site-a", VICTIM, "site-c"), RefusalCode.SPEC_REFUSED),
    "an identity that the coordinator minted": ((*FOUR[:3], "zz"), RefusalCode.SPEC_REFUSED),
    "without the victim": (("site-a", "site-c", "site-d", "site-e"), RefusalCode.PROTOCOL_VIOLATION),
}


@pytest.mark.parametrize(("cohort", "code"), COHORTS.values(), ids=COHORTS.keys())
def test_the_cohort_is_padded(agent: AgentVictim, cohort: tuple[str, ...], code: RefusalCode) -> None:
    """Invented sites would leave the victim alone in its sum; a certificate of the coordinator's CA makes no member."""
    agent.turns_down(agent.ground.round(cohort), code)


ROUNDS: Mapping[str, tuple[dict[str, Any], RefusalCode]] = {
    "another study": ({"study_id": "never-offered"}, RefusalCode.NOT_APPROVED),
    "another study's hash": ({"study_hash": "0" * 64}, RefusalCode.OUTSIDE_APPROVAL),
    "another version of the roster": ({"roster_hash": "0" * 64}, RefusalCode.ROSTER_NOT_ACCEPTED),
    "another workload": ({"workload": "image-classification"}, RefusalCode.OUTSIDE_APPROVAL),
    "another version of the workload": ({"workload_version": 99}, RefusalCode.WORKLOAD_VERSION),
    "more rounds": ({"round": 4}, RefusalCode.OUTSIDE_APPROVAL),
    "another manifest": ({"manifest_hash": "0" * 64}, RefusalCode.BAD_MANIFEST),
    "another model": ({"models": ("0" * 64,)}, RefusalCode.BAD_MANIFEST),
    "another configuration": ({"configuration": b"[]"}, RefusalCode.BAD_MANIFEST),
    "training as an evaluation": (
        {"purpose": Purpose.VALIDATE, "parameters": 0, "dimension": 0},
        RefusalCode.BAD_MANIFEST,
    ),
    "training as constants": (
        {"purpose": Purpose.CONSTANTS, "parameters": 0, "dimension": 0},
        RefusalCode.BAD_MANIFEST,
    ),
}


@pytest.mark.parametrize(("changes", "code"), ROUNDS.values(), ids=ROUNDS.keys())
def test_the_round_is_not_the_one_that_was_approved(
    agent: AgentVictim, changes: dict[str, Any], code: RefusalCode
) -> None:
    agent.turns_down(agent.ground.round(**changes), code)


@pytest.mark.parametrize("task", [{"round": 2}, {"attempt": 2}, {"trial": "u"}, {"study_id": "other"}], ids=str)
def test_the_task_names_another_round_than_the_spec(agent: AgentVictim, task: dict[str, Any]) -> None:
    """A replayed round under a fresh name."""
    agent.turns_down(agent.ground.round(), RefusalCode.BAD_MANIFEST, **task)


def test_the_counters_are_widened(agent: AgentVictim) -> None:
    """One more field would carry out what the workload does not count."""
    spec = agent.ground.round().spec
    layout = spec.counter_layout + CounterLayout((CounterField("first_row", (8,)),))
    agent.turns_down(agent.ground.round(counters=canonical_json(layout.to_json())), RefusalCode.COUNTERS_WIDENED)


LANES: Mapping[str, dict[str, Any]] = {
    "a larger model": {"parameters": PARAMETERS + 1, "dimension": PARAMETERS + 1},
    "a smaller model": {"parameters": PARAMETERS - 1, "dimension": PARAMETERS - 1},
    "a pattern of one lane": {"parameters": 1},
    "a pattern over a larger model": {"dimension": 2 * PARAMETERS},
}


@pytest.mark.parametrize("changes", LANES.values(), ids=LANES.keys())
def test_the_vector_is_widened_or_narrowed(agent: AgentVictim, changes: dict[str, Any]) -> None:
    """A pattern that the study does not have would single out the parameters of a few rows."""
    agent.turns_down(agent.ground.round(**changes), RefusalCode.OUTSIDE_APPROVAL)


@pytest.mark.parametrize(
    "tune", [{"learning_rate": 0.0}, {"learning_rate": 0.1, "momentum": 0.9}, {}], ids=["zero", "extra", "missing"]
)
def test_the_learning_rate_is_zero_for_everyone_but_one(agent: AgentVictim, tune: dict[str, float]) -> None:
    """The others' updates are zero then, and the sum is one site's own; no configuration outside the space is run."""
    item = replace(parameters_manifest(MODEL).items[0], configuration=Configuration(tune=tune))
    agent.turns_down(agent.ground.round_over(MODEL, listed={"items": (item,)}), RefusalCode.OUTSIDE_APPROVAL)


MANIFESTS: Mapping[str, dict[str, Any]] = {
    "test rows": {"split": Split.TEST},
    "validation rows": {"split": Split.VALIDATION},
    "constants of another length": {"constants": (1,)},
    "no constants": {"constants": None},
    "a seed of 33 bytes": {"seed": "ab" * 33},
    "residuals that the study has not": {"counted": {VICTIM: "ab" * 32}},
}


@pytest.mark.parametrize("listed", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_the_manifest_asks_for_other_rows_or_constants(agent: AgentVictim, listed: dict[str, Any]) -> None:
    agent.turns_down(agent.ground.round_over(MODEL, listed=listed), RefusalCode.BAD_MANIFEST)


@pytest.mark.parametrize("split", [Split.TRAIN, Split.TEST])
def test_an_evaluation_asks_for_rows_of_another_purpose(agent: AgentVictim, split: Split) -> None:
    """Test rows are read once, at the end; training rows say what the model has seen."""
    round = agent.ground.round_over(MODEL, purpose=Purpose.VALIDATE, listed={"split": split})
    agent.turns_down(round, RefusalCode.BAD_MANIFEST)


def test_the_coordinator_runs_from_a_restored_store(agent: AgentVictim) -> None:
    """What it forgot, released sums among it, it would ask for again."""
    agent.turns_down(agent.ground.round(store_epoch=STUDY_EPOCH - 1), RefusalCode.OLD_EPOCH)
    with agent.reconnected(epoch=STUDY_EPOCH - 2):
        agent.turns_down(agent.ground.round(store_epoch=STUDY_EPOCH - 2), RefusalCode.OLD_EPOCH)


SPECS: Mapping[str, tuple[dict[str, Any], str]] = {
    "lowered threshold": ({"threshold": 2}, "threshold"),
    "lowered minimum cohort": ({"minimum_cohort": 2}, "minimum_cohort"),
    "fewer colluders assumed": ({"colluders": 0}, "colluders"),
    "another roster": ({"roster_hash": "00" * 32}, "roster_hash"),
    "restored old store": ({"store_epoch": 6}, "store_epoch"),
    "downgrade to no masks": ({"masked": False}, "masked"),
    "two sites": ({"cohort": ("s00", "s01"), "threshold": 2}, "minimum_cohort"),
    "a site twice": ({"cohort": ("s00", "s01", "s01", "s02")}, "cohort"),
    "a stranger": ({"cohort": ("s00", "s01", "s02", "zz")}, "cohort"),
    "levels that overflow": ({"levels": 2**31}, "levels"),
    "noise nobody adds": ({"noise": 1.0}, "noise"),
    "unknown suite": ({"suite": "plain"}, "suite"),
    "no clip": ({"clip": 0.0}, "clip"),
    "broken counters": ({"counters": b'[{"name":"x","shape":[-1],"scale":1}]'}, "counters"),
    "fewer parameters than lanes": ({"dimension": 4}, "dimension"),
}


@pytest.mark.parametrize(("changes", "field"), SPECS.values(), ids=SPECS.keys())
def test_a_spec_is_refused_before_a_byte_is_drawn(changes: dict[str, Any], field: str) -> None:
    """The protocol's own rules, where no agent stands before it."""
    deployment = Deployment.of(4)
    drawn: list[int] = []

    def entropy(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    with pytest.raises(SpecRefused) as refused:
        spec, key = deployment.spec(**changes), deployment.keys["s01"]
        SiteSession(spec, deployment.roster, "s01", key, entropy=entropy, lowest_epoch=7)
    assert refused.value.data["field"] == field
    assert not drawn


def test_the_roster_holds_another_key_for_this_site() -> None:
    """The coordinator would sign in its name."""
    deployment = Deployment.of(4)
    with pytest.raises(BadRoster):
        SiteSession(deployment.spec(), deployment.roster, "s01", SiteKey.generate(), entropy=bytes)


def test_a_lowered_weight_cap_tells_nothing_about_the_rows(agent: AgentVictim) -> None:
    """A refusal above some cap would be an oracle: twenty refused sessions, and each site's rows are known."""
    for cap in (1, 59, 60, 61):
        assert completed(meets(agent, round=agent.ground.round(weight_cap=cap)).outcome).survivors == FOUR
