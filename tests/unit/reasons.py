"""Why a configuration was suggested, from the sampler into the trial."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.belief import belief_of
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.draft import Choice, Draft
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.prediction import predicted
from autoglm_coordinator.sampler.goals import goals_of
from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.sampler.registry import SAMPLERS
from autoglm_core.canonical import canonical_json
from autoglm_core.configuration import Configuration
from autoglm_core.reason import How, Reason
from autoglm_core.trial import Trial
from support.search_trials import search, searched_study, small_space, suggest

REASON = Reason(How.MODEL, {"accuracy": (0.9, 0.02)}, log_gain=-3.5, feasible=0.75, seconds=12.0)


def test_a_reason_survives_json_with_its_trial_and_its_suggestion() -> None:
    trial = Trial(3, Configuration({"width": 16}), reason=REASON)
    assert Trial.from_json(json.loads(canonical_json(trial.to_json()))) == trial
    assert "reason" not in Trial(3, Configuration({"width": 16})).to_json()
    suggestion = Suggestion({"width": 16}, ({"prune": 0.1}, {"prune": 0.2}), (REASON, Reason(How.CHANCE)))
    assert Suggestion.from_json(json.loads(canonical_json(suggestion.to_json()))) == suggestion


def test_what_is_not_finite_is_left_out() -> None:
    reason = Reason(How.MODEL, {"accuracy": (math.nan, 1.0), "loss": (1.0, 2.0)}, log_gain=-math.inf, feasible=math.nan)
    assert reason.to_json() == {"how": "model", "predicted": {"loss": {"mean": 1.0, "deviation": 2.0}}}


def test_a_reason_for_each_variant_or_for_none() -> None:
    with pytest.raises(ValueError, match="2 variants with 1 reasons"):
        Suggestion({}, ({"prune": 0.1}, {"prune": 0.2}), (REASON,))


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("gp", "cmaes")])
def test_every_sampler_says_how_each_of_its_variants_came_about(name: str) -> None:
    study = searched_study(name)
    first = suggest(study, [], 2)
    later = suggest(study, search(study, total=40), 2)
    for suggestion in (*first, *later):
        assert len(suggestion.reasons) == len(suggestion.variants)
    if name == "grid":
        assert {entry.how for suggestion in later for entry in suggestion.reasons} == {How.GRID}
        return
    assert first[0].reasons[0].how is How.REFERENCE
    expected = {"bayes": How.MODEL, "random": How.CHANCE}.get(name, How.OPTUNA)
    assert later[0].reasons[0].how is expected


def test_what_is_left_of_a_space_is_said_to_be_chance() -> None:
    study = searched_study("tpe", space=small_space())
    trials = search(study, total=11, batch=1)[:11]
    (suggestion,) = suggest(study, trials, 1)
    assert [entry.how for entry in suggestion.reasons] == [How.CHANCE]


def test_bayes_says_what_it_expects_of_each_device_class() -> None:
    study = searched_study("bayes")
    trials = search(study, total=40)
    told = suggest(study, trials, 1)[0]
    for reason in told.reasons:
        assert reason.how is How.MODEL
        assert reason.log_gain is not None
        assert reason.feasible is not None and 0 <= reason.feasible <= 1
        classes = {f"{name}/{metric}" for name in study.device_classes for metric in ("latency_p95_ms", "energy_mj")}
        assert {"accuracy", *classes} <= set(reason.predicted)
        assert 0.5 < reason.predicted["accuracy"][0] < 1.0
        assert reason.predicted["accuracy"][1] > 0
        mean, deviation = reason.predicted["one-core/latency_p95_ms"]
        assert mean > 0
        assert deviation > 0


def test_what_is_expected_is_told_from_before_the_suggestion_was_believed() -> None:
    study = searched_study("bayes")
    trials = search(searched_study("random"), total=30)
    rng = np.random.default_rng(0)
    cube = UnitCube(study.space)
    belief = belief_of(cube, goals_of(study), history_of(study, trials).completed, rng)
    assert belief is not None
    candidates = Candidates(study.space, cube, [trial.configuration for trial in trials], rng)
    chosen = candidates.any()
    assert chosen is not None
    draft = Draft((), candidates, belief, None).grown(Choice(chosen, How.MODEL), cube)
    inputs = cube.encode([chosen])
    assert draft.suggestion().reasons[0].predicted == Reason(How.MODEL, predicted(belief, inputs)[0]).predicted
    assert draft.belief is not None
    after = predicted(draft.belief, inputs)[0]
    assert after["accuracy"][1] < draft.choices[0].predicted["accuracy"][1]
