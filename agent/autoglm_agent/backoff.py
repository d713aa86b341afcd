"""How long to wait before the next try: soon at first, for most losses are a restart, then ever more rarely.

Each wait is drawn between half and all of a bound that doubles up to 20 s, so that the agents of a deployment do not
come back all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom

FIRST_SECONDS = 0.05
CAP_SECONDS = 20.0
_DRAW = SystemRandom().random


class Backoff:
    """`draw`: a number in [0, 1), for tests."""

    def __init__(self, draw: Callable[[], float] = _DRAW) -> None:
        self._draw = draw
        self._bound = FIRST_SECONDS

    def next(self) -> float:
        """Seconds to wait now."""
        bound, self._bound = self._bound, min(self._bound * 2, CAP_SECONDS)
        return bound * (1 + self._draw()) / 2

    def reset(self) -> None:
        """It worked: the next loss is a new one."""
        self._bound = FIRST_SECONDS
