"""A study that names what does not exist: refused wherever it is met, with the name to correct, and nothing stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autoglm.study_file import load_study
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.errors import RemoteError
from support.consortium import Consortium
from support.ward import STUDY, study_file


def stored(consortium: Consortium) -> list[str]:
    return [study.id for study in consortium.client.studies()]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("tabular-classification", "tabular-clasification"), ("workload", "tabular-classification")),
        (("accuracy: maximize", "acuracy: maximize"), ("objectives.acuracy", "accuracy")),
    ],
    ids=["workload", "metric"],
)
@pytest.mark.parametrize("verb", [("check",), ("submit", "--dry-run"), ("submit",)], ids=" ".join)
def test_a_misspelt_name_is_shown_with_its_line_and_the_nearest(
    consortium: Consortium, changes: tuple[str, str], told: tuple[str, str], verb: tuple[str, ...]
) -> None:
    file = study_file(consortium.operator.folder, changes, name="misspelt")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if changes[1] in text)
    before = stored(consortium)
    said = consortium.operator.refused(verb[0], file.name, *verb[1:])
    assert f"misspelt.yaml:{line}: {told[0]}" in said
    assert f"did you mean '{told[1]}'" in said
    assert stored(consortium) == before


@pytest.mark.parametrize("verb", [("check",), ("submit", "--dry-run"), ("submit",)], ids=" ".join)
def test_constraints_that_cannot_hold_together_are_named_with_their_line(
    consortium: Consortium, verb: tuple[str, ...]
) -> None:
    impossible = "constraints: [latency_p95_ms <= 1, size_mb < 9, latency_p95_ms >= 2]\nbudget:"
    file = study_file(consortium.operator.folder, ("budget:", impossible), name="torn")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "size_mb < 9" in text)
    before = stored(consortium)
    said = consortium.operator.refused(verb[0], file.name, *verb[1:])
    assert f"torn.yaml:{line}: constraints[2]" in said
    assert "`latency_p95_ms >= 2` cannot hold together with `latency_p95_ms <= 1`" in said
    assert stored(consortium) == before


@pytest.mark.parametrize("verb", [("submit", "--dry-run"), ("submit",)], ids=" ".join)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--warm-start", "ward-ffffff"), ("ward-ffffff", "autoglm status")),
        (("--warm-start", "ward"), ("sampler.warm_start[0]", "must be a study's id")),
        (("--warm-start", "ward-ffffff", "--warm-start", "ward-ffffff"), ("sampler.warm_start", "twice")),
    ],
    ids=["unknown", "no id", "twice"],
)
def test_there_is_nothing_to_learn_from_a_study_that_there_is_not(
    consortium: Consortium, words: tuple[str, ...], told: tuple[str, ...], verb: tuple[str, ...]
) -> None:
    file = study_file(consortium.operator.folder, ("name: random", "name: bayes"), name="learning")
    before = stored(consortium)
    said = consortium.operator.refused(verb[0], file.name, *verb[1:], *words)
    assert all(word in said for word in told)
    assert stored(consortium) == before


def test_what_is_left_to_gain_is_asked_of_a_sampler_that_can_say(consortium: Consortium) -> None:
    file = study_file(consortium.operator.folder, name="greedy")
    study = load_study(file).study.to_json()
    study["sampler"]["name"] = "tpe"
    study["budget"]["gain"] = "1% per hour"
    assert refused(consortium, canonical_json(study)) == {"unsuited-sampler"}


@pytest.mark.parametrize("verb", [("submit", "--dry-run"), ("submit",)], ids=" ".join)
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("data: ward", "data: wards"), ("'wards'", "[data.wards]", "agent.toml")),
        (("[pi5]", "[pi6]"), ("'pi6'", "pi5", "device_classes")),
    ],
    ids=["dataset", "device class"],
)
def test_what_only_the_deployment_knows_is_refused_by_it(
    consortium: Consortium, changes: tuple[str, str], told: tuple[str, ...], verb: tuple[str, ...]
) -> None:
    file = study_file(consortium.operator.folder, changes, name="elsewhere")
    consortium.operator.types("check", file.name)
    before = stored(consortium)
    said = consortium.operator.refused(verb[0], file.name, *verb[1:])
    assert all(word in said for word in told)
    assert stored(consortium) == before


def other_workload(study: Json) -> None:
    study["workload"] = "tabular-clasification"


def other_version(study: Json) -> None:
    study["workload_version"] = 99


def other_metric(study: Json) -> None:
    study["objectives"][0]["metric"] = "acuracy"


def unknown_key(study: Json) -> None:
    study["roundz"] = 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (other_workload, "unknown-workload"),
        (other_version, "other-workload-version"),
        (other_metric, "study-error"),
        (unknown_key, "study-error"),
    ],
)
def test_the_coordinator_trusts_no_client_to_have_checked(
    consortium: Consortium, change: Callable[[Json], None], code: str
) -> None:
    study = load_study(STUDY).study.to_json()
    change(study)
    assert refused(consortium, canonical_json(study)) == {code}


def test_a_study_cut_short_is_no_study(consortium: Consortium) -> None:
    assert refused(consortium, canonical_json(load_study(STUDY).study.to_json())[:-1]) == {"bad-study"}


def refused(consortium: Consortium, body: bytes) -> set[str]:
    """The codes with which dry run and submission of `body` are refused."""
    before, codes = stored(consortium), set()
    with pytest.raises(RemoteError) as caught:
        consortium.client.check(body)
    codes.add(caught.value.remote_code)
    with pytest.raises(RemoteError) as caught:
        consortium.client.submit(body, idempotency_key="bad")
    codes.add(caught.value.remote_code)
    assert stored(consortium) == before
    return codes
