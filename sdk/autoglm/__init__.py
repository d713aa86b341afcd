"""autoglm: tunes models whose data may not move, for devices that are not the machine that trains.

What a program imports; the command line is built on the same names. They are loaded on first use, so that
`import autoglm` costs nothing and needs no extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# Before any module of this package imports grpc: it pins TLS 1.3.
import autoglm_protos as autoglm_protos

if TYPE_CHECKING:
    from autoglm.control import ControlClient, login_with_token
    from autoglm.results import Result
    from autoglm.simulate import Simulation, run, simulation_of
    from autoglm.space import choice, integer, loguniform, same_as, search_space, uniform
    from autoglm.study_file import StudyFile, load_study

_HOMES = {
    "ControlClient": "control",
    "login_with_token": "control",
    "Result": "results",
    "Simulation": "simulate",
    "run": "simulate",
    "simulation_of": "simulate",
    "choice": "space",
    "integer": "space",
    "loguniform": "space",
    "same_as": "space",
    "search_space": "space",
    "uniform": "space",
    "StudyFile": "study_file",
    "load_study": "study_file",
}

__all__ = [
    "ControlClient",
    "Result",
    "Simulation",
    "StudyFile",
    "choice",
    "integer",
    "load_study",
    "loguniform",
    "login_with_token",
    "run",
    "same_as",
    "search_space",
    "simulation_of",
    "uniform",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
