"""A site whose data does not fit: seen at the site, in the dry run and at the approval, and right again once mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.consortium import Consortium
from support.ward import FOUR_SITES, data_file, study_file

OTHERS = tuple(name for name in FOUR_SITES if name != "va")


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def other_columns(path: Path) -> None:
    path.write_text("".join(f"{line},1\n" for line in path.read_text().splitlines()))


def other_categories(path: Path) -> None:
    path.write_text(path.read_text().replace(",2,", ",7,"))


DAMAGES = {
    missing: "data-missing",
    empty: "data-empty",
    other_columns: "schema-mismatch",
    other_categories: "schema-mismatch",
}


@contextmanager
def damaged(consortium: Consortium, damage: object) -> Iterator[Path]:
    """The file of `va`, damaged; mended afterwards."""
    path = data_file(consortium, "va")
    whole = path.read_text()
    damage(path)  # type: ignore[operator]
    try:
        yield path
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_dry_run_says_which_site_must_look_and_that_site_sees_why(consortium: Consortium, damage: object) -> None:
    study_file(consortium.operator.folder, name="dry")
    with damaged(consortium, damage) as path:
        done = consortium.operator.run("submit", "dry.yaml", "--dry-run")
        lines = {line.split()[0]: line for line in done.stdout.splitlines()}
        checked = consortium["va"].run("data", "check", "ward")
    code = DAMAGES[damage]  # type: ignore[index]
    assert done.returncode == 1
    assert f"refused: {code}: " in lines["va"]
    assert "run `autoglm-agent data check` there" in lines["va"]
    assert all("ok, would ask" in lines[name] for name in (*OTHERS, "kit"))
    assert checked.returncode == 1
    assert f"{code}, expected schema" in checked.stdout
    assert str(path.parent) not in done.stdout + consortium.logged(), "where a site's rows lie is its own business"


@pytest.mark.timeout(240)
def test_an_approval_without_data_becomes_a_no_and_the_mended_site_takes_part(consortium: Consortium) -> None:
    operator, va = consortium.operator, consortium["va"]
    study_file(operator.folder, name="mended")
    study = operator.types("submit", "mended.yaml").split()[0]
    consortium.decide("approve", study, "st-mary", "kit")
    with damaged(consortium, missing):
        consortium.wait_offer("va", study)
        said = va.refused("approve", study)
        assert "the data file cannot be opened" in said
        assert "va: refused: data-missing" in operator.types("status", study)
        assert "data-missing" in va.run("data", "check", "ward").stdout
    va.types("approve", study)
    assert "va: refused" not in operator.types("status", study)
    consortium.decide("approve", study, "budapest", "zurich")
    assert consortium.wait_state(study, "completed", "failed") == "completed"
    result = json.loads(operator.types("trials", study, "--json"))
    assert [trial["state"] for trial in result["trials"]] == ["completed", "completed"]
