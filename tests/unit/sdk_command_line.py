"""What `autoglm` does with what is typed, without any daemon."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from autoglm.command_line import build_parser, exit_code, main
from autoglm.durations import parse_duration
from autoglm_core.errors import AutoglmError, InvalidInput, Kind, RemoteError

EXAMPLES = Path(__file__).parents[2] / "examples"
VERBS = (
    "login join-token roster agents check submit simulate watch stop status "
    "trials front importance export export-optuna"
).split()


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGLM_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args([verb, "--help"])
    assert caught.value.code == 0
    assert f"autoglm {verb}" in capsys.readouterr().out


def test_who_is_not_logged_in_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents"]) == 2
    assert capsys.readouterr().err == "autoglm: no operator certificate here: run `autoglm login TOKEN` first\n"


def test_a_damaged_token_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["login", "AGM1.half"]) == 2
    assert "copy the whole line again" in capsys.readouterr().err


def test_a_missing_study_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_the_examples_pass_their_check(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLES / name)]) == 0
    text = capsys.readouterr().out
    assert "secure sum: required" in text
    assert "objectives: m" in text


@pytest.mark.parametrize(("option", "value"), [("--trials", "0"), ("--seed", "-1")])
def test_options_out_of_range_name_the_option(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(EXAMPLES / "quickstart.yaml"), option, value]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("x"), 2),
        (AutoglmError("x"), 1),
        (RemoteError("x", remote_code="a", remote_kind=Kind.NOT_FOUND), 2),
        (RemoteError("x", remote_code="a", remote_kind=Kind.UNAVAILABLE), 1),
    ],
)
def test_exit_codes_tell_the_users_mistake_from_a_failure(error: AutoglmError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("text", "span"),
    [("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("2h", timedelta(hours=2)), ("1d", timedelta(1))],
)
def test_spans_of_time(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "2 h", "2w", "1e3s"])
def test_other_spans_are_refused_with_an_example(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["join-token", "st-mary", f"--valid={text}"])
    assert "for example" in capsys.readouterr().err
