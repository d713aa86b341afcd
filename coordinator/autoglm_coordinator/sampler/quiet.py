"""Optuna without its announcements: of every study, of what is experimental, of what it drew apart."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of it is for a daemon's log; its settings are left as they were."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", UserWarning)
            # GPSampler where its model is the same everywhere; it then takes the best of what it drew.
            warnings.filterwarnings("ignore", "invalid value encountered in divide", RuntimeWarning, r"optuna\._gp")
            yield
    finally:
        logger.setLevel(level)
