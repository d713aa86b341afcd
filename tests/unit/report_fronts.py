"""Fronts, result.json, cards and configuration files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
import yaml

from autoglm_coordinator.report.card import configuration_yaml, model_card
from autoglm_coordinator.report.fronts import pareto_fronts
from autoglm_coordinator.report.result import build_result
from autoglm_coordinator.report.tasks import TABLE
from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Measurement, Provenance, Split
from autoglm_core.study import Study
from autoglm_core.training_cost import TrainingCost
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState
from support.search_trials import ACCURACY, ENERGY, LATENCY, measured, searched_study, validated

PROTECTION: Json = {"secure_sum": True, "minimum_cohort": 3, "not_protected": ["global model", "crafted models"]}
BLAMED: Json = {"site": "va", "code": "bad-share", "purpose": "train", "round": 2, "readmitted": False}
TESTED = Measurement(0.93, 0.01, 360, Provenance.SECURE_SUM, Split.TEST)


def study_of_two(*, weighted: Mapping[str, float] | None = None) -> Study:
    constraints = ("latency_p95_ms <= 5", "accuracy >= 0.5")
    return searched_study(objectives=(ACCURACY, LATENCY), constraints=constraints, weighted=weighted)


def trial(
    number: int,
    accuracy: float,
    latency: float,
    *,
    state: TrialState = TrialState.COMPLETED,
    two_core: float | None = None,
    provenance: Provenance = Provenance.MEASURED,
) -> Trial:
    def figures(value: float) -> dict[str, Measurement]:
        return {"accuracy": validated(accuracy), "latency_p95_ms": replace(measured(value), provenance=provenance)}

    reference = study_of_two().reference_configuration
    configuration = Configuration({**reference.tune, "learning_rate": number / 100}, reference.deploy)
    stages = (StageRecord(StageName.TUNE, "ab" * 32, cached=False, seconds=4.1, rounds=6),)
    by_class = {"one-core": figures(latency), "two-core": figures(latency if two_core is None else two_core)}
    return Trial(number, configuration, state, stages, by_class)


def numbers(study: Study, *trials: Trial) -> dict[str, list[int]]:
    return {name: [entry.number for entry in front] for name, front in pareto_fronts(study, trials).items()}


def test_each_class_has_its_own_front_with_the_best_pick_first() -> None:
    fast = trial(1, 0.90, 1.0, two_core=3.0)
    fine = trial(2, 0.97, 2.0)
    worse = trial(4, 0.96, 2.5)
    assert numbers(study_of_two(), worse, fast, fine) == {"one-core": [2, 1], "two-core": [2]}


def test_of_points_that_are_alike_the_best_alone_is_a_pick() -> None:
    fine, twin = trial(1, 0.97, 2.0), trial(2, 0.97, 2.0)
    a_little_faster = trial(3, 0.965, 1.85)
    much_faster, much_worse = trial(4, 0.965, 1.7), trial(5, 0.90, 1.69)
    front = numbers(study_of_two(), fine, twin, a_little_faster, much_faster, much_worse)
    assert front["one-core"] == [1, 4, 5]


def test_a_modelled_figure_distinguishes_nothing() -> None:
    slow = trial(1, 0.97, 2.0, provenance=Provenance.MODELLED)
    fast = trial(2, 0.965, 1.0, provenance=Provenance.MODELLED)
    assert numbers(study_of_two(), slow, fast)["one-core"] == [1]


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.COMPLETED])
def test_only_completed_trials_stand_on_a_front(state: TrialState) -> None:
    assert numbers(study_of_two(), trial(1, 0.99, 0.1, state=state)) == {"one-core": [], "two-core": []}


def test_a_class_that_refuses_a_trial_does_not_show_it() -> None:
    slow = trial(1, 0.99, 9.0, two_core=4.0)
    refused = replace(trial(2, 0.98, 1.0), refused_by=("two-core",))
    bad = trial(3, 0.40, 0.1)
    assert numbers(study_of_two(), slow, refused, bad) == {"one-core": [2], "two-core": [1]}


def test_measured_and_modelled_figures_never_share_a_front() -> None:
    modelled = trial(1, 0.95, 0.5, provenance=Provenance.MODELLED)
    metered = trial(2, 0.90, 1.0)
    assert numbers(study_of_two(), modelled, metered)["one-core"] == [2]
    faster = trial(3, 0.80, 0.2, provenance=Provenance.MODELLED)
    assert numbers(study_of_two(), modelled, metered, faster)["one-core"] == [1, 3]


def test_a_trial_without_an_objective_is_not_compared() -> None:
    partial = trial(1, 0.99, 0.1)
    without = {name: {"accuracy": figures["accuracy"]} for name, figures in partial.measurements.items()}
    assert numbers(study_of_two(), replace(partial, measurements=without), trial(2, 0.9, 1.0))["one-core"] == [2]


def test_a_weighted_study_has_the_highest_score_as_its_pick() -> None:
    study = study_of_two(weighted={"accuracy": 0.5, "latency_p95_ms": 0.5})
    assert numbers(study, trial(1, 0.97, 4.0), trial(2, 0.93, 1.0), trial(3, 0.95, 2.0))["one-core"] == [2]


def result_of(*trials: Trial) -> Json:
    return build_result(
        study=study_of_two(),
        study_id="searched-7f3a",
        trials=trials,
        tests={2: {"accuracy": TESTED}},
        protection=PROTECTION,
        blamed=[BLAMED],
        data={},
        stopped="trials",
        study_seconds=131.23,
        study_bytes=5_000_000,
        study_cost=TrainingCost(90.0, measured=1200.0, modelled=300.5, memory_mb=410.0),
    )


def test_the_result_is_plain_json_of_the_agreed_form() -> None:
    failed = Trial(
        5, trial(5, 0, 0).configuration, TrialState.FAILED, error={"code": "numerics-mismatch", "max_abs": 0.4}
    )
    result = json.loads(json.dumps(result_of(failed, trial(2, 0.97, 2.0), trial(1, 0.90, 1.0)), allow_nan=False))
    assert result["format"] == 1
    digest = f"sha256:{study_of_two().hash}"
    assert result["study"] == {"id": "searched-7f3a", "hash": digest, "seed": 7, "sampler": "tpe"}
    assert (result["stopped"], result["study_seconds"], result["study_bytes"]) == ("trials", 131.2, 5_000_000)
    assert (result["study_joules"], result["study_modelled_joules"]) == (1500.5, 300.5)
    assert [entry["id"] for entry in result["trials"]] == [1, 2, 5]
    assert result["trials"][2]["error"]["code"] == "numerics-mismatch"
    assert result["fronts"]["one-core"] == [
        {"trial": 2, "accuracy": 0.97, "test_accuracy": 0.93, "latency_p95_ms": 2.0},
        {"trial": 1, "accuracy": 0.90, "latency_p95_ms": 1.0},
    ]
    assert result["best"] == {"one-core": 2, "two-core": 2}
    assert (result["protection"], result["blamed"]) == (PROTECTION, [BLAMED])
    assert Trial.from_json(result["trials"][1]) == trial(2, 0.97, 2.0)


def test_no_test_figure_stands_among_what_choices_are_made_from() -> None:
    result = result_of(trial(2, 0.97, 2.0))
    assert "test" not in json.dumps(result["trials"][0]["measurements"])
    assert result["trials"][0]["test"]["accuracy"]["mean"] == 0.93


def test_a_study_without_trials_has_empty_fronts() -> None:
    assert result_of()["fronts"] == {"one-core": [], "two-core": []}
    assert result_of()["best"] == {}


def card(**changes: object) -> str:
    study = searched_study(objectives=(ACCURACY, LATENCY, ENERGY), constraints=())
    pick = trial(2, 0.97, 2.0)
    energy = Measurement(3.1, 0.4, 6400, Provenance.MODELLED)
    figures = {**pick.measurements["one-core"], "energy_mj": energy}
    values: Json = {"test": {"accuracy": TESTED}, "protection": PROTECTION, **changes}
    return model_card(
        study,
        replace(pick, measurements={"one-core": figures}),
        study_id="searched-7f3a",
        device_class="one-core",
        **values,
    )


def test_a_card_says_what_was_measured_how_and_on_which_rows() -> None:
    text = card()
    assert "| accuracy | 0.97 ± 0.01 (n = 359) | 0.93 ± 0.01 (n = 360) | secure-sum |" in text
    assert "| energy per inference | 3.1 ± 0.4 mJ (n = 6400) |  | modelled |" in text
    assert "modelled, not measured" in text
    assert "60% training, 20% validation, 20% test" in text
    assert "test figures were taken once" in text
    assert "6 of 10 federated rounds" in text
    assert "at least 3 sites" in text and "Not protected: global model, crafted models." in text
    assert f"sha256:{searched_study(objectives=(ACCURACY, LATENCY, ENERGY), constraints=()).hash}" in text


def test_a_card_of_an_untested_pick_and_of_a_trusted_coordinator_says_so() -> None:
    text = card(test={}, protection={"secure_sum": False, "not_protected": ["each site's update"]})
    assert "not tested" in text and "optimistic" in text
    assert "the coordinator was trusted with every site's updates" in text


def test_the_configuration_file_reads_back_as_the_configuration() -> None:
    pick = trial(2, 0.97, 2.0)
    text = configuration_yaml(pick, study_id="searched-7f3a", study_hash="ab" * 32, device_class="one-core")
    value = yaml.safe_load(text)
    assert Configuration.from_json({part: value[part] for part in ("tune", "deploy")}) == pick.configuration
    assert (value["study"], value["trial"], value["device_class"]) == ("searched-7f3a", 2, "one-core")


def test_a_pick_is_described_by_four_files() -> None:
    pick = trial(2, 0.97, 2.0)
    result = json.loads(json.dumps(result_of(pick, trial(1, 0.9, 1.0))))
    meta = {"study": study_of_two().to_json(), "result": result, "trial": pick.to_json(), "device_class": "one-core"}
    answer, blobs = TABLE["describe-pick"](meta, [])
    assert answer["names"] == ["configuration.yaml", "README.md", "front.png", "hypervolume.png"]
    assert b"0.93" in blobs[1]
    assert blobs[2].startswith(b"\x89PNG") and blobs[3].startswith(b"\x89PNG")
