"""When a study ends, and how its limits are written: a figure with its unit, never a bare number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from autoglm_core.study_error import Place, StudyError

if TYPE_CHECKING:
    from autoglm_core.canonical import Json
    from autoglm_core.section import Section

MOST_TRIALS = 1_000_000
MOST_BYTES = 10**18
MOST_JOULES = 10**15
MOST_GAIN = 1_000_000.0
KEYS = ("trials", "wall", "bytes", "energy", "gain")
WALL = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|m|min|h|d)")
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,6})?)\s*(B|kB|MB|GB|TB)")
BYTES = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1}
ENERGY = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?)\s*(J|kJ|MJ|Wh|kWh)")
JOULES = {"MJ": 10**6, "kJ": 10**3, "J": 1, "Wh": 3600, "kWh": 3_600_000}
GAIN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*%\s*per\s+(minute|hour|day)")
HOURS = {"minute": Fraction(1, 60), "hour": Fraction(1), "day": Fraction(24)}


@dataclass(frozen=True)
class Budget:
    """The study ends with whichever comes first; None is no such limit.

    Attributes:
        trials: begun.
        wall: time.
        bytes: that all sites together sent and received.
        energy: joules that all sites together spend on training, measured and modelled ones.
        gain: least expected gain of the best next suggestion, in % of the present hypervolume per hour of its predicted
            cost; six decimals count.
    """

    trials: int
    wall: timedelta | None = None
    bytes: int | None = None
    energy: int | None = None
    gain: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= MOST_TRIALS:
            raise StudyError(("budget", "trials"), f"must lie between 1 and {MOST_TRIALS}, not {self.trials}")
        if self.wall is not None and self.wall <= timedelta(0):
            raise StudyError(("budget", "wall"), "must be above 0")
        if self.bytes is not None and not 0 < self.bytes <= MOST_BYTES:
            raise StudyError(("budget", "bytes"), f"must be above 0 and at most {MOST_BYTES // 10**12} TB")
        if self.energy is not None and not 0 < self.energy <= MOST_JOULES:
            raise StudyError(("budget", "energy"), f"must be above 0 and at most {MOST_JOULES // 10**6} MJ")
        if self.gain is not None:
            object.__setattr__(self, "gain", round(self.gain, 6))
            if not 0 < self.gain <= MOST_GAIN:
                reason = f"must be at least 0.000001% per hour and at most {MOST_GAIN:.0f}% per hour"
                raise StudyError(("budget", "gain"), reason)

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "trials": self.trials,
            "wall": None if self.wall is None else _short(self.wall.total_seconds()) + "s",
            "bytes": None if self.bytes is None else _whole(self.bytes, BYTES),
            "energy": None if self.energy is None else _whole(self.energy, JOULES),
            "gain": None if self.gain is None else _short(self.gain) + "% per hour",
        }


def parse_budget(budget: Section) -> Budget:
    """A budget from its declaration, a section of `KEYS`."""
    return Budget(
        trials=budget.integer("trials"),
        wall=_wall(budget) if "wall" in budget else None,
        bytes=_bytes(budget) if "bytes" in budget else None,
        energy=_energy(budget) if "energy" in budget else None,
        gain=_gain(budget) if "gain" in budget else None,
    )


def _short(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _whole(count: int, units: Mapping[str, int]) -> str:
    """With the first of `units` of which it is a whole number; the largest come first."""
    unit = next(unit for unit, factor in units.items() if count % factor == 0)
    return f"{count // units[unit]}{unit}"


def _wall(section: Section) -> timedelta:
    wanted = "must be a time with its unit, such as 150s, 30min, 2h or 1d"
    number, unit = _read(WALL, section.take("wall"), section.at("wall"), wanted)
    return timedelta(seconds=float(number) * SECONDS[unit])


def _bytes(section: Section) -> int:
    wanted = "must be a size with its unit, such as 500MB, 2GB or 1.5TB (powers of 1000)"
    number, unit = _read(SIZE, section.take("bytes"), section.at("bytes"), wanted)
    return _count(number * BYTES[unit], section.at("bytes"), "bytes")


def _energy(section: Section) -> int:
    wanted = "must be an energy with its unit, such as 500kJ, 2MJ or 1.5kWh"
    number, unit = _read(ENERGY, section.take("energy"), section.at("energy"), wanted)
    return _count(number * JOULES[unit], section.at("energy"), "joules")


def _count(number: Fraction, place: Place, what: str) -> int:
    if number.denominator != 1:
        raise StudyError(place, f"must be a whole number of {what}")
    return int(number)


def _gain(section: Section) -> float:
    wanted = "must be a share of the hypervolume per time, such as 0.5% per hour"
    number, unit = _read(GAIN, section.take("gain"), section.at("gain"), wanted)
    return float(number / HOURS[unit])


def _read(form: re.Pattern[str], value: object, place: Place, wanted: str) -> tuple[Fraction, str]:
    match = form.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise StudyError(place, wanted)
    return Fraction(match[1]), match[2]
