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
