"""What error feedback keeps at a site: a residual for each session in which this site's vector left, on disk.

A site that sent its vector does not know whether it counted: the coordinator may have lost it, or the round may be
tried again over another cohort. So nothing is overwritten. Each session of a round leaves a residual of its own, made
from the same earlier one; the next round's manifest, which is the same at every site, names for each site the last
session in which it counted, and that session's residual is taken up. The delta of a round in which a site did not count
is gone, as it is without error feedback: it was a step from a model that the others have left.

To find out from the site's own release of shares was rejected: a vector also counts where the site was lost before
the unmasking, or where its agent was restarted. The coordinator could name a wrong session, or none, and would spoil
the model, which it can do in many ways; it learns nothing, because the site still adds one vector to one sum.

    <folder>/<hash of the study id>/<hash of the TUNE key>/<round>-<session id>    float32, little-endian

A lost residual costs accuracy, no more: the next round begins without.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

import numpy as np

from autoglm_agent.files import OWN_FOLDER, sync_folder, write_durable
from autoglm_core.canonical import digest
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.workload import Vector

LOG = logging.getLogger(__name__)
KEPT_TUNES = 4
"""A study trains its TUNEs one after another; more than the last few only fill the disk."""
KEPT_ATTEMPTS = 8
"""Residuals of one TUNE beside the one that it goes on from: a coordinator that tries for ever fills no disk."""


class Residuals:
    """A site's residuals in `folder`. Methods block for the disk; call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def after(self, spec: SessionSpec, session: str | None) -> Vector | None:
        """What `session` (hexadecimal id) of the TUNE of `spec` left, `(spec.dimension,)`; None: nothing is kept."""
        if session is None:
            return None
        found = [path for path in self._tune(spec).glob("*-*") if path.name.partition("-")[2] == session]
        data = found[0].read_bytes() if found else b""
        if len(data) != 4 * spec.dimension:
            LOG.warning("no residual of the session that counted last: round %d begins without", spec.round)
            return None
        return np.frombuffer(data, "<f4").astype(np.float32, copy=False)

    def keep(self, spec: SessionSpec, residual: Vector, *, base: str | None) -> None:
        """Write what the session of `spec` leaves; on disk when this returns.

        Of earlier rounds only the residual of the session `base` stays: every attempt of this round begins with it.
        """
        tune = self._tune(spec)
        with self._lock:
            for folder in (self._folder, tune.parent, tune):
                if not folder.exists():
                    folder.mkdir(mode=OWN_FOLDER)
                    sync_folder(folder.parent)
            name = f"{spec.round}-{spec.session_id.hex()}"
            write_durable(tune / name, residual.astype("<f4", copy=False).tobytes())
            _prune(tune, spec.round, base)
            for old in _by_age(tune.parent)[:-KEPT_TUNES]:
                shutil.rmtree(old)

    def forget(self, study_id: str) -> None:
        """Remove all of a study."""
        with self._lock:
            shutil.rmtree(self._folder / _name(study_id), ignore_errors=True)

    def forget_all_but(self, study_ids: Collection[str]) -> None:
        """Remove every other study's: they ended while nobody was here."""
        known = {_name(study_id) for study_id in study_ids}
        for path in self._folder.iterdir() if self._folder.exists() else ():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)

    def _tune(self, spec: SessionSpec) -> Path:
        return self._folder / _name(spec.study_id) / _name(spec.trial)


def _prune(tune: Path, number: int, base: str | None) -> None:
    """Leave the residual of `base`, and the newest of those that are not of earlier rounds than `number`."""
    others = [path for path in _by_age(tune) if path.name.partition("-")[2] != base]
    passed = [path for path in others if int(path.name.partition("-")[0]) < number]
    open_still = [path for path in others if path not in passed]
    for path in (*passed, *open_still[:-KEPT_ATTEMPTS]):
        path.unlink()


def _by_age(folder: Path) -> list[Path]:
    """What lies in `folder`, the latest change last."""
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def _name(text: str) -> str:
    """A folder's name for an id that the coordinator chose."""
    return digest(text.encode())[:32]
