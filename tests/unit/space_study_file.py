"""A study's file: what YAML means here, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoglm.site_splits import DirichletSplit, NaturalSplit
from autoglm.strict_yaml import YamlError, read_yaml
from autoglm.study_file import StudyFileError, StudyFileMissing, load_study, parse_study_text
from autoglm_core.schema import ImageSchema, TableSchema

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICKSTART = (EXAMPLES / "quickstart.yaml").read_text()


def line_of(text: str) -> int:
    """Line of the quickstart study that holds `text`."""
    return next(number for number, line in enumerate(QUICKSTART.splitlines(), 1) if text in line)


def refusal(old: str, new: str) -> StudyFileError:
    """Why the quickstart study with `new` for `old` is refused."""
    assert old in QUICKSTART
    with pytest.raises(StudyFileError) as caught:
        parse_study_text(QUICKSTART.replace(old, new, 1), file="study.yaml", folder=EXAMPLES)
    return caught.value


def test_quickstart_is_what_the_documents_say() -> None:
    loaded = load_study(EXAMPLES / "quickstart.yaml")
    study = loaded.study
    assert isinstance(study.schema, ImageSchema)
    assert (study.schema.height, study.schema.width, study.schema.channels, study.schema.scale) == (8, 8, 1, 16.0)
    assert len(study.schema.classes) == 10
    assert study.model == "small-cnn"
    assert study.space.has_conditions
    assert loaded.simulate is not None
    assert (loaded.simulate.sites, loaded.simulate.split) == (4, DirichletSplit(0.5, seed=7))
    assert loaded.simulate.devices == {"one-core": 1, "two-core": 2}


def test_heart_has_flambys_ten_columns() -> None:
    loaded = load_study(EXAMPLES / "heart.yaml")
    schema = loaded.study.schema
    assert isinstance(schema, TableSchema)
    assert (len(schema.columns), len(schema.features), schema.header) == (14, 10, False)
    assert [schema.position(column.name) for column in schema.features if column.categories] == [2, 6]
    assert loaded.simulate is not None
    assert isinstance(loaded.simulate.split, NaturalSplit)
    assert list(loaded.simulate.split.files) == ["cleveland", "hungarian", "switzerland", "va"]
    assert loaded.simulate.split.files["va"].parent.name == "heart_disease"


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "{a: 1e-5, b: no, c: off, d: true, e: '1', f: 0x10, g: ~, h: 1_000, i: 12:30, j: -.5, k: 2026-01-01, l: yes}"
    assert read_yaml(text).value == {
        **{"a": 1e-5, "b": "no", "c": "off", "d": True, "e": "1", "f": "0x10", "g": None, "h": "1_000"},
        **{"i": "12:30", "j": -0.5, "k": "2026-01-01", "l": "yes"},
    }


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "stands there twice, first on line 1"),
        ("a: {b: 1,\n  b: 2}\n", 2, "stands there twice"),
        ("a: &x 1\nb: *x\n", 1, "anchors"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "tags"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1, 2\n", 2, "expected"),
        ("a: 1\n\tb: 2\n", 2, "cannot start any token"),
        ("a: .inf\n", 1, "finite"),
        ("? [a, b]\n: 1\n", 1, "a key must be text"),
        ("", 1, "is empty"),
        ("a: " + "[" * 30 + "]" * 30, 1, "nested too deeply"),
        ("a: \x00", 1, "a character"),
        ('a: "\\U7fffffff"\n', 1, "a character"),
        ('a: "\\ud800"\n', 1, "half a character"),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1\n", 1, "a character"),
        ("a" * 2_000_000, 1, "longer than"),
    ],
)
def test_what_yaml_would_let_pass_is_refused(text: str, line: int, reason: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert caught.value.line == line
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("old", "new", "path", "reason", "nearest"),
    [
        ("rounds: 10", "rouns: 10", "rouns", "is not a key here", "rounds"),
        (
            "batch_size: [16, 32, 64]",
            "batch_size: loguniform(1, 0)",
            "search.tune.batch_size",
            "min 1 is above max",
            None,
        ),
        ("scale: log,", "scael: log,", "search.tune.server_learning_rate.scael", "is not a key here", "scale"),
        ("[fedadam, fedyogi]}}", "[fedadma]}}", "search.tune.server_learning_rate", "waits for", "fedadam"),
        ("aggregator: [fedavg,", "aggregator: [fedav,", "search.tune.aggregator", "no aggregator", "fedavg"),
        ("min: 1e-3, max: 1.0, scale: log,", "min: 0, max: 1.0,", "search.tune.server_learning_rate", "above 0", None),
        ("width: [32, 48, 64]", "widht: [32, 48, 64]", "search.tune.widht", "is no tune parameter", "width"),
        ("accuracy: maximize,", "acuracy: maximize,", "objectives.acuracy", "is no metric", "accuracy"),
        ("accuracy: maximize,", "auroc: maximize,", "objectives.auroc", "two classes", "balanced_accuracy"),
        (
            "workload: image-classification",
            "workload: image-clasification",
            "workload",
            "no workload",
            "image-classification",
        ),
        ("model: small-cnn", "model: smal-cnn", "model", "is no model", "small-cnn"),
        ("wall: 135s", "wall: 135", "budget.wall", "with its unit", None),
        ("dirichlet: 0.5", "dirichlet: 0", "simulate.sites.split.dirichlet", "above 0", None),
        ("count: 4", "count: 2", "simulate.sites.count", "there must be 3", None),
        ("one-core: {cpus: 1}", "one-cor: {cpus: 1}", "simulate.devices", "'one-core', which has no device", None),
        ("one-core: {cpus: 1}", "one-core: {cpu: 1}", "simulate.devices.one-core.cpu", "is not a key here", "cpus"),
        ("secure_sum: required", "secure_sum: true", "protection.secure_sum", "must be text", None),
        ("rounds: 10", "name: again", "name", "stands there twice", None),
    ],
)
def test_mistakes_are_named_with_line_key_reason_and_nearest(
    old: str, new: str, path: str, reason: str, nearest: str | None
) -> None:
    error = refusal(old, new)
    assert error.data["path"] == path
    assert error.data["line"] == line_of(old)
    assert reason in str(error.data["reason"])
    assert error.data["nearest"] == nearest
    assert str(error).startswith(f"study.yaml:{line_of(old)}: {path}: ")


def test_a_file_that_is_not_there_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyFileMissing, match=r"^nothing\.yaml: cannot be read"):
        load_study(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(StudyFileMissing, match="UTF-8"):
        load_study(tmp_path / "latin.yaml")


def test_a_study_without_simulate_is_for_real_sites() -> None:
    text = QUICKSTART.split("simulate:")[0]
    assert parse_study_text(text, file="study.yaml", folder=EXAMPLES).simulate is None
