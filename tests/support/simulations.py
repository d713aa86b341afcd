"""Simulations for tests: small enough to run in seconds, whole enough to pass every stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autoglm.simulate import Simulation, simulation_of
from autoglm.study_file import NaturalSplit, load_study

STUDIES = Path(__file__).with_name("studies")
SYNTHETIC = STUDIES / "synthetic.yaml"
DURABLE = STUDIES / "durable.yaml"
ONE_MODEL = STUDIES / "one-model.yaml"
WIDE = STUDIES / "wide.yaml"
HEART = Path(__file__).parents[2] / "examples" / "heart.yaml"


def synthetic(*, trials: int | None = None) -> Simulation:
    """Four sites without work, one device class."""
    return simulation_of(load_study(SYNTHETIC), trials=trials)


def durable(*, trials: int | None = None) -> Simulation:
    """Three sites, none of whom can be missing, and one TUNE."""
    return simulation_of(load_study(DURABLE), trials=trials)


def heart(*, trials: int | None = None) -> Simulation:
    """The four hospitals, with a sampler whose suggestions depend on nothing but its seed."""
    simulation = simulation_of(load_study(HEART), trials=trials)
    study = simulation.study
    return replace(simulation, study=replace(study, sampler=replace(study.sampler, name="random")))


def heart_is_here() -> bool:
    """Whether the hospitals' files, which are not part of this repository, lie where the example says."""
    split = heart().spec.split
    return isinstance(split, NaturalSplit) and all(path.is_file() for path in split.files.values())
