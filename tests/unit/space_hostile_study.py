"""A study comes from the other side before anybody approved it: no declaration keeps its reader busy.

Each of these fits into the bytes that a study may have, and is one that a reader without bounds works on for minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from autoglm_core.canonical import Json, canonical_json
from autoglm_core.encoding import Malformed
from autoglm_core.parse_study import LARGEST_STUDY, MOST_CONSTRAINTS, decode_study
from autoglm_core.space_order import MOST, MOST_VALUES
from autoglm_core.study import MOST_BELIEVED
from autoglm_core.study_error import StudyError
from support.agent_sites import toy_study

SECONDS = 6.0
"""CPU time of a reading, on a machine that other tests keep busy; an honest study takes a millisecond."""


def _floats(count: int, **more: Any) -> list[Json]:
    kind = {"type": "float", "min": 0.0, "max": 1.0, "scale": "linear", **more}
    return [{"name": f"p{number}", **kind} for number in range(count)]


def impossible_constraints(study: Json) -> None:
    """A reference is looked for in a large space in which there is none."""
    terms = " + ".join(["p0 - p0"] * 12)
    study["search"]["tune"] = _floats(MOST - 1)
    study["search"]["constraints"] = [f"{terms} + 0 * {n} < 0" for n in range(MOST_CONSTRAINTS)]


def many_claims(study: Json) -> None:
    """Each says much of one name, and no two contradict each other."""
    study["search"]["tune"] = _floats(1)
    text = " and ".join(["p0 in (0, 1, 2)", *(f"p0 < {number}" for number in range(2, 35))])
    study["search"]["constraints"] = [*([text] * (MOST_CONSTRAINTS - 1)), "p0 - p0 < 0"]


def many_believed(study: Json) -> None:
    """All but the last are fine, and each takes its time."""
    study["search"]["tune"] = _floats(MOST - 1)
    study["search"]["constraints"] = [" + ".join(["p0"] * 25) + f" < {n}" for n in range(30, 30 + MOST_CONSTRAINTS)]
    values = {f"p{number}": 0.5 for number in range(MOST - 1)}
    believed = [{"tune": {**values, "p0": number / 1000}, "deploy": {}} for number in range(MOST_BELIEVED)]
    study["sampler"]["believed"] = [*believed[1:], believed[1]]


def many_constraints(study: Json) -> None:
    study["search"]["tune"] = _floats(1)
    study["search"]["constraints"] = [f"p0 < {number}" for number in range(1, 60_000)]


def many_choices(study: Json) -> None:
    study["search"]["tune"] = [{"name": "p0", "type": "categorical", "choices": list(range(100_000))}]


def many_conditions(study: Json) -> None:
    """Each depends on all before it, by as many values as there may be."""
    values = list(range(MOST_VALUES // 16))
    parents = [{"name": f"p{n}", "type": "categorical", "choices": values} for n in range(4)]
    when = {f"p{n}": values for n in range(4)}
    study["search"]["tune"] = [*parents, *({**entry, "name": f"c{n}", "when": when} for n, entry in enumerate(parents))]


def twice_among_many_classes(study: Json) -> None:
    study["device_classes"] = [*(f"d{number}" for number in range(80_000)), "d0"]


def blanks(study: Json) -> None:
    """A spelling that could be a call, up to its last letter."""
    study["search"]["tune"] = {f"p{number}": f"{' ' * 4000}a" for number in range(MOST - 1)}


def long_names(study: Json) -> None:
    """A value that is not there is compared with those that are."""
    letters = "ab" * 30_000
    study["search"]["tune"] = [
        {"name": "p0", "type": "categorical", "choices": [f"{letters}{n}" for n in range(6)]},
        {"name": "p1", "type": "categorical", "choices": [1], "when": {"p0": [f"c{letters}"]}},
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (impossible_constraints, "that were tried meets"),
        (many_claims, "that were tried meets"),
        (many_believed, "is the same configuration as"),
        (many_constraints, "at most 100 constraints"),
        (many_choices, "more than 4096 choices"),
        (many_conditions, "more than 4096 choices"),
        (twice_among_many_classes, "stands there twice"),
        (blanks, "canonical form"),
        (long_names, "waits for"),
    ],
)
def test_it_is_refused_in_seconds(change: Callable[[Json], None], reason: str) -> None:
    study = toy_study().to_json()
    change(study)
    data = canonical_json(study)
    assert len(data) <= LARGEST_STUDY
    begun = time.process_time()
    with pytest.raises(StudyError, match=reason):
        decode_study(data)
    assert time.process_time() - begun < SECONDS


def test_a_longer_study_is_not_even_read() -> None:
    with pytest.raises(Malformed, match="longer than"):
        decode_study(b"[" * (LARGEST_STUDY + 1))
