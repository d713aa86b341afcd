"""The errors of a declared study, with the place where the declaration is wrong.

A place is a tuple of keys and list positions; its printed form is `search.tune.learning_rate` or `constraints[0]`. The
tuple lets the YAML loader find the line, the printed form is what travels and what a user reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from autoglm_core.errors import InvalidInput

Place = tuple[str | int, ...]
LONGEST_NAME = 64
"""Characters of a name that is compared with others: comparing long texts takes the square of their length."""


def printed(place: Place) -> str:
    """`place` as a user reads it; the whole study is `study`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".") or "study"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be."""
    if len(name) > LONGEST_NAME:
        return None
    near = [other for other in sorted(known) if len(other) <= LONGEST_NAME]
    return next(iter(get_close_matches(name, near, n=1, cutoff=0.5)), None)


class StudyError(InvalidInput):
    """A study is declared wrongly at `place`; `nearest` is the valid name that was probably meant."""

    code = "study-error"

    def __init__(self, place: Place, reason: str, *, nearest: str | None = None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"{printed(place)}: {reason}{hint}", path=printed(place), reason=reason, nearest=nearest)
        self.place = place
        self.reason = reason
        self.nearest = nearest


class ImpossibleSpace(InvalidInput):
    """No configuration can exist as declared; `parameter` is where the contradiction shows."""

    code = "impossible-space"

    def __init__(self, *, parameter: str, reason: str, nearest: str | None = None) -> None:
        super().__init__(f"parameter {parameter}: {reason}", parameter=parameter, reason=reason, nearest=nearest)
        self.parameter = parameter
        self.reason = reason
        self.nearest = nearest


class OutsideSpace(InvalidInput):
    """A configuration does not lie in the search space that was approved."""

    code = "outside-space"

    def __init__(self, *, parameter: str, reason: str) -> None:
        super().__init__(
            f"the configuration lies outside the study's search space: {parameter} {reason}",
            parameter=parameter,
            reason=reason,
        )
        self.parameter = parameter
        self.reason = reason


class ConstraintError(InvalidInput):
    """A constraint cannot be read, or cannot be judged with the values given."""

    code = "bad-constraint"

    def __init__(self, *, constraint: str, reason: str) -> None:
        super().__init__(f"constraint {constraint!r}: {reason}", constraint=constraint, reason=reason)
        self.reason = reason
