"""Additive quantities, and nothing but additive quantities: what a secure sum can carry.

A site never reports a rate. It reports counters whose sum over sites means something, and the coordinator derives
rates from the sum. Each field has a shape and a `scale`: real-valued sums travel as fixed-point integers `round(value
* scale)` in the ring 2^64, so a sum over sites is exact in units of 1/scale. Negative values wrap in two's complement
and come back signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.errors import InvalidInput

LIMIT = float(2**62)
"""No scaled value may reach this: the sum over a cohort would leave the ring."""


class BadCounters(InvalidInput):
    """Counters do not fit their layout (`field` names the first that does not)."""

    code = "bad-counters"

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"counter {field}: {reason}", field=field, reason=reason)


@dataclass(frozen=True)
class CounterField:
    """`name`, `shape` of the array and fixed-point `scale` (1 for integers)."""

    name: str
    shape: tuple[int, ...] = ()
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Elements of the array."""
        return prod(self.shape)

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {"name": self.name, "shape": list(self.shape), "scale": self.scale}

    @classmethod
    def from_json(cls, value: Json) -> CounterField:
        """Inverse of `to_json`."""
        return cls(name=value["name"], shape=tuple(value["shape"]), scale=float(value["scale"]))


Counters = Mapping[str, NDArray[np.float64]]
"""By field name; arrays of the field's shape."""


@dataclass(frozen=True)
class CounterLayout:
    """An ordered list of fields, and the way between named arrays and one int64 vector."""

    fields: tuple[CounterField, ...]

    @property
    def size(self) -> int:
        """Length of the encoded vector."""
        return sum(field.size for field in self.fields)

    def encode(self, counters: Counters) -> NDArray[np.int64]:
        """Flatten `counters` into `(size,)` int64.

        Raises:
            BadCounters: a field is missing, of another shape, not finite or too large.
        """
        parts = [self._encode_field(field, counters) for field in self.fields]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def decode(self, vector: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Inverse of `encode`, up to 1/scale, for a vector `(size,)`."""
        if vector.shape != (self.size,):
            raise BadCounters(field="*", reason=f"expected {self.size} values, received {vector.size}")
        counters, start = {}, 0
        for field in self.fields:
            part = vector[start : start + field.size].astype(np.float64) / field.scale
            counters[field.name] = part.reshape(field.shape)
            start += field.size
        return counters

    def _encode_field(self, field: CounterField, counters: Counters) -> NDArray[np.int64]:
        if field.name not in counters:
            raise BadCounters(field=field.name, reason="missing")
        array = np.asarray(counters[field.name], dtype=np.float64)
        if array.shape != field.shape:
            raise BadCounters(field=field.name, reason=f"expected shape {field.shape}, received {array.shape}")
        scaled = np.rint(array * field.scale)
        if not np.isfinite(scaled).all() or (np.abs(scaled) >= LIMIT).any():
            raise BadCounters(field=field.name, reason="not finite or too large")
        return scaled.astype(np.int64).ravel()

    def prefixed(self, prefix: str) -> CounterLayout:
        """The same fields under `prefix/name`, so that one session carries the counters of several variants."""
        return CounterLayout(
            tuple(CounterField(f"{prefix}/{field.name}", field.shape, field.scale) for field in self.fields)
        )

    def __add__(self, other: CounterLayout) -> CounterLayout:
        return CounterLayout(self.fields + other.fields)

    def to_json(self) -> list[Json]:
        """As plain JSON values."""
        return [field.to_json() for field in self.fields]

    @classmethod
    def from_json(cls, value: list[Json]) -> CounterLayout:
        """Inverse of `to_json`."""
        return cls(tuple(CounterField.from_json(field) for field in value))


def with_prefix(counters: Counters, prefix: str) -> dict[str, NDArray[np.float64]]:
    """Rename each counter to `prefix/name`."""
    return {f"{prefix}/{name}": array for name, array in counters.items()}


def without_prefix(counters: Counters, prefix: str) -> dict[str, NDArray[np.float64]]:
    """The counters under `prefix/`, with their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): array for name, array in counters.items() if name.startswith(start)}
