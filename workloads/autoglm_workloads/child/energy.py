"""Energy meters, best first: RAPL where the processor's counters can be read, else a model that says it is one.

A meter counts joules upwards; the difference of two readings belongs to what ran between them. RAPL counts whole
packages, the idle part and the neighbours included, so inferences are measured on a quiet host, and of a training a
share is charged (`training_meter`). The modelled meter multiplies this
process's CPU-seconds by the watts that the device's owner declared for one busy core; its figures carry the
provenance "modelled" and never share a front with measured ones. Wall meters, Jetson's INA3221 and NVML are not built
in yet: a package adds one under the entry point group `autoglm.meters`, a callable `(watts: float) -> Meter | None`
that returns None where the machine has no such counter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from autoglm_core.measurement import Provenance
from autoglm_workloads.child.errors import MeterUnavailable, UnknownMeter

GROUP = "autoglm.meters"
POWERCAP = Path("/sys/class/powercap")


class Meter(Protocol):
    """A counter of energy."""

    @property
    def name(self) -> str:
        """As in the table."""
        ...

    @property
    def provenance(self) -> Provenance:
        """Measured or modelled."""
        ...

    @property
    def window(self) -> timedelta:
        """The shortest time over which a difference means something."""
        ...

    def joules(self) -> float:
        """Energy since an arbitrary start; never falls."""
        ...


@dataclass(frozen=True)
class ModelledMeter:
    """CPU-seconds of this process times declared `watts` per busy core."""

    watts: float
    cpu_seconds: Callable[[], float] = time.process_time
    name: str = "modelled"
    provenance: Provenance = Provenance.MODELLED
    window: timedelta = timedelta(0)

    def joules(self) -> float:
        """Modelled energy so far."""
        return self.cpu_seconds() * self.watts


class _Domain:
    """One RAPL counter in microjoules; it starts again at 0 after `limit`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._limit = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._file.read_text())
        self._total = 0

    def microjoules(self) -> int:
        now = int(self._file.read_text())
        self._total += (now - self._last) % (self._limit + 1)
        self._last = now
        return self._total


class RaplMeter:
    """All processor packages by `energy_uj` of Linux powercap; to be read once per turn of the counter at least."""

    name = "rapl"
    provenance = Provenance.MEASURED
    window = timedelta(milliseconds=50)  # the counter moves once a millisecond: 2 % of a window

    def __init__(self, folder: Path = POWERCAP) -> None:
        """Open every package under `folder`.

        Raises:
            MeterUnavailable: there is none, or only root may read it.
        """
        try:
            self._domains = [_Domain(path) for path in _packages(folder)]
        except PermissionError:
            raise MeterUnavailable(name=self.name, hint="let the agent's user read its energy_uj files") from None
        except (OSError, ValueError):
            self._domains = []
        if not self._domains:
            raise MeterUnavailable(name=self.name, hint="the processor or its virtual machine shows no counter")

    def joules(self) -> float:
        """Energy of all packages since the meter was opened."""
        return sum(domain.microjoules() for domain in self._domains) / 1e6


def _packages(folder: Path) -> list[Path]:
    """Packages alone ("intel-rapl:0", not "intel-rapl:0:1"): sub-domains are part of them."""
    return sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1)


MeterFactory = Callable[[float], Meter | None]


def _rapl(watts: float) -> Meter | None:
    try:
        return RaplMeter()
    except MeterUnavailable:
        return None


BUILT_IN: Mapping[str, MeterFactory] = {"rapl": _rapl, "modelled": ModelledMeter}
"""Best first."""


def registered() -> dict[str, MeterFactory]:
    """Meters by name, best first: added ones, then the built-in."""
    added: dict[str, MeterFactory] = {entry.name: entry.load() for entry in entry_points(group=GROUP)}
    return added | {name: factory for name, factory in BUILT_IN.items() if name not in added}


def open_meter(*, watts: float, name: str | None = None) -> Meter:
    """The best meter that can be read here, or the one named.

    Args:
        watts: of one busy core; used by the modelled meter.
        name: of a registered meter.

    Raises:
        UnknownMeter, MeterUnavailable: of the named one.
    """
    factories = registered()
    if name is not None and name not in factories:
        raise UnknownMeter(name=name, known=", ".join(factories))
    wanted = list(factories) if name is None else [name]
    for candidate in wanted:
        meter = factories[candidate](watts)
        if meter is not None:
            return meter
    raise MeterUnavailable(name=wanted[-1], hint="it has no counter that this user may read")
