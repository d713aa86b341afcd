"""`autoglm simulate`: one study over real daemons on this machine, from nothing to the written front.

The only shortcut against a real deployment is that one program plays operator and every administrator. Whatever is
interrupted is resumed by the same command: the folder remembers the deployment, the coordinator remembers the study.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.study import Study

from autoglm.run_folder import RunFolder
from autoglm.simulated_agents import (
    SimulatedDevice,
    SimulatedSite,
)
from autoglm_core.canonical import Json


@dataclass(frozen=True)
class Simulation:
    """A study with the sites and devices to run it on, and the folder of the run."""

    study: Study
    sites: tuple[SimulatedSite, ...]
    devices: tuple[SimulatedDevice, ...]
    folder: RunFolder
    identity: Json
