"""Simulations for tests: small enough to run in seconds, whole enough to pass every stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autoglm.simulate import Simulation, simulation_of
from autoglm.study_file import load_study

STUDIES = Path(__file__).with_name("studies")
SYNTHETIC = STUDIES / "synthetic.yaml"


def synthetic(*, trials: int | None = None, rounds: int | None = None) -> Simulation:
    """Four sites without work, one device class."""
    simulation = simulation_of(load_study(SYNTHETIC), trials=trials)
    if rounds is not None:
        simulation = replace(simulation, study=replace(simulation.study, rounds=rounds, rungs=()))
    return simulation
