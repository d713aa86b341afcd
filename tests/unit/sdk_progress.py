"""The screen during a study."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from autoglm.progress import Panel, PlainLines, Progress, duration, panel_lines, plain_line, view_for

RUNNING = Progress(
    study_id="heart-7f3a",
    state="running",
    trials_final=9,
    trials_budget=40,
    tunes=4,
    round=4,
    rounds=10,
    sites=4,
    sites_wanted=4,
    best=0.7812,
    seconds=60,
    seconds_left=660,
    stage="TUNE",
    fronts={"pi5": 3},
)


def test_a_plain_line_says_trials_rounds_sites_front_best_and_time_left() -> None:
    expected = "trial 9/40  tunes 4  round 4/10  sites 4/4  front pi5 3  best 0.781  tune  left 11 min"
    assert plain_line(RUNNING) == expected


def test_nothing_is_claimed_before_it_is_known() -> None:
    line = plain_line(replace(RUNNING, best=float("nan"), seconds_left=float("nan"), fronts={}, rounds=0))
    assert "best" not in line
    assert "left" not in line
    assert "nan" not in line


def test_a_study_that_waits_says_why() -> None:
    waiting = replace(RUNNING, error_code="cohort-too-small", error="waits for sites")
    assert plain_line(waiting).endswith("waits for sites")
    assert "  waits for sites" in panel_lines(waiting)
    stream = io.StringIO()
    view = PlainLines(stream)
    for progress in (RUNNING, waiting, waiting, RUNNING):
        view.show(progress)
    assert len(stream.getvalue().splitlines()) == 3, "at once, and once"


def test_a_study_that_is_over_speaks_of_no_round() -> None:
    over = replace(RUNNING, state="completed", stage="", round=0, sites=0, sites_wanted=0)
    assert "round" not in plain_line(over) + "".join(panel_lines(over))
    assert plain_line(over).endswith("completed")


def test_a_study_that_waits_says_how_many_approved() -> None:
    waiting = Progress(study_id="heart-7f3a", state="awaiting-approval", approved=1, wanted=4)
    assert plain_line(waiting) == "heart-7f3a awaiting approval (1/4)"
    assert panel_lines(waiting) == ["heart-7f3a awaiting approval (1/4)"]


def test_plain_lines_come_at_most_every_five_seconds_but_always_on_a_change_of_state() -> None:
    stream = io.StringIO()
    view = PlainLines(stream)
    for seconds in (0, 1, 4, 5, 6):
        view.show(replace(RUNNING, seconds=seconds))
    view.show(replace(RUNNING, seconds=6, state="completed"))
    assert len(stream.getvalue().splitlines()) == 3
    assert "\x1b" not in stream.getvalue()


def test_the_panel_draws_over_itself_and_leaves_what_was_said() -> None:
    stream = io.StringIO()
    panel = Panel(stream, width=200)
    panel.show(RUNNING)
    height = len(panel_lines(RUNNING))
    panel.show(replace(RUNNING, trials_final=10))
    assert f"\x1b[{height}A" in stream.getvalue()
    panel.say("site-2 ended")
    panel.show(RUNNING)
    assert stream.getvalue().count("\x1b[") == 4, "drawing after a spoken line erases nothing"


def test_the_panel_never_wraps() -> None:
    stream = io.StringIO()
    Panel(stream, width=40).show(RUNNING)
    assert max(map(len, stream.getvalue().splitlines())) < 40


def test_without_a_terminal_there_is_no_panel() -> None:
    assert isinstance(view_for(io.StringIO(), width=80), PlainLines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (179, "179 s"), (181, "3 min"), (float("nan"), ""), (float("inf"), ""), (-1, "")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
