"""How far a file of a served model has come: for the log while its bytes come, and for `autoglm-agent status`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoglm_agent.model_delivery import FileDownload

LOG = logging.getLogger(__name__)
TOLD_EVERY = 30.0
"""Seconds between two lines of the log."""
MEGABYTE = 1e6


class WatchedDownload:
    """`download` of the file `name` for a study; `clock`: seconds that only grow."""

    def __init__(
        self, download: FileDownload, *, study_id: str, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._download = download
        self._study_id = study_id
        self._name = name
        self._clock = clock
        self._first = download.offset
        self._begun = self._told = clock()

    def __str__(self) -> str:
        come, size, seconds = self.offset, self._download.size, self._clock() - self._begun
        share = f"{100 * come / size:.0f} % of {size / MEGABYTE:.1f} MB" if size else f"{come / MEGABYTE:.1f} MB"
        rate = (come - self._first) / seconds / MEGABYTE if seconds > 0 else 0.0
        return f"{self._name} {share}, {rate:.2f} MB/s"

    @property
    def offset(self) -> int:
        """Bytes that are here."""
        return self._download.offset

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return self._download.complete

    def begin(self) -> None:
        """A new call."""
        self._download.begin()

    def add(self, total: int, data: bytes) -> None:
        """One chunk; raises as the download."""
        self._download.add(total, data)
        if self._clock() - self._told >= TOLD_EVERY:
            self._told = self._clock()
            LOG.info("study %s: fetching its model: %s", self._study_id, str(self))
