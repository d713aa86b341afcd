"""What one training costs, read around it in the process that trains.

A meter counts a whole machine. Several sites, or a site and its neighbours, may share one, so of what was measured a
training is charged the share that its processor seconds have of all that the machine was busy for: what several
charge together is never more than what was measured, and a machine's idle power falls on whoever used it. Processors
alone are counted: an accelerator's joules are in it only with a meter that counts them (`energy`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autoglm_core.measurement import Provenance
from autoglm_core.training_cost import TrainingCost
from autoglm_workloads.child.energy import Meter, ModelledMeter, open_meter

T = TypeVar("T")
READ_EVERY = 60.0
"""Seconds: RAPL's counters turn after 65 to 262 kJ, which is minutes of a large processor at work."""
_INSTANT = 1e-9
_MACHINE = Path("/proc/stat")
_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Usage:
    """Counters at one moment: `wall` and processor seconds, this process's `own` and the machine's `busy` ones.

    `joules`: the meter's, None where it could not be read.
    """

    wall: float
    own: float
    busy: float
    joules: float | None

    @classmethod
    def of(cls, meter: Meter) -> Usage:
        """Now."""
        try:
            joules = meter.joules()
        except (OSError, ValueError):  # a counter that went away is no reason to lose a training
            joules = None
        return cls(time.perf_counter(), time.process_time(), busy_seconds(), joules)


def metered(work: Callable[[], T], *, watts: float) -> tuple[T, TrainingCost]:
    """What `work` returned, and what it cost. `watts`: of one busy core, for where there is no meter."""
    meter = _opened(watts)
    _forget_peak()
    begun = Usage.of(meter)
    with _read_meanwhile(meter):
        result = work()
    return result, cost_between(begun, Usage.of(meter), provenance=meter.provenance, watts=watts)


def cost_between(begun: Usage, ended: Usage, *, provenance: Provenance, watts: float) -> TrainingCost:
    """Of what ran in this process between two readings of a meter of `provenance`."""
    seconds, own, busy = ended.wall - begun.wall, ended.own - begun.own, ended.busy - begun.busy
    measured = modelled = 0.0
    if begun.joules is None or ended.joules is None:
        modelled = own * watts
    elif provenance is Provenance.MODELLED:
        modelled = ended.joules - begun.joules
    else:
        # The machine counts in hundredths of a second: of a short training it may have seen less than there was.
        measured = (ended.joules - begun.joules) * own / max(own, busy, _INSTANT)
    return TrainingCost(seconds, measured, modelled, peak_bytes() / 1e6)


@functools.cache
def _opened(watts: float) -> Meter:
    """Once for all trainings: to look for meters that packages add takes as long as a small training."""
    return open_meter(watts=watts)


def busy_seconds(machine: Path = _MACHINE) -> float:
    """Processor seconds that all of the machine was not idle for; 0 where the kernel does not say."""
    try:
        user, nice, system, _, _, *interrupts = map(int, machine.read_text().split("\n", 1)[0].split()[1:8])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def peak_bytes(status: Path = _STATUS) -> int:
    """Most memory of this process in RAM since the peak was forgotten, or since it began."""
    with contextlib.suppress(OSError, StopIteration):
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    # Of a child this may be its parent's, which stands there since the fork.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_peak() -> None:
    with contextlib.suppress(OSError):  # not every kernel lets it be forgotten: then it is the child's so far
        _FORGET.write_text("5")


@contextlib.contextmanager
def _read_meanwhile(meter: Meter) -> Iterator[None]:
    """Read `meter` now and then, so that no turn of its counter is missed; what is modelled does not turn."""
    if isinstance(meter, ModelledMeter):
        yield
        return
    over = threading.Event()

    def read() -> None:
        while not over.wait(READ_EVERY):
            with contextlib.suppress(OSError, ValueError):
                meter.joules()

    reader = threading.Thread(target=read, name="meter", daemon=True)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join()
