"""Additive quantities, and nothing but additive quantities: what a secure sum can carry.

A site never reports a rate. It reports counters whose sum over sites means something, and the coordinator derives
rates from the sum. Each field has a shape and a `scale`: real-valued sums travel as fixed-point integers `round(value
* scale)` in the ring 2^64, so a sum over sites is exact in units of 1/scale. Negative values wrap in two's complement
and come back signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, prod

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.errors import InvalidInput

LIMIT = float(2**62)
"""No scaled value may reach this: the sum over a cohort would leave the ring."""
LARGEST = 2**22
"""Elements of one field."""
MOST_AXES = 8


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
        return {"name": self.name, "shape": list(self.shape), "scale": float(self.scale)}

    @classmethod
    def from_json(cls, value: object) -> CounterField:
        """Inverse of `to_json`, for a hostile `value`; raises `BadCounters`."""
        if not isinstance(value, dict) or value.keys() != {"name", "shape", "scale"}:
            raise BadCounters(field="*", reason="expected name, shape and scale")
        name, shape, scale = value["name"], value["shape"], value["scale"]
        if not isinstance(name, str) or type(scale) is not float or not (isfinite(scale) and scale > 0):
            raise BadCounters(field="*", reason="a name that is no text, or a scale that is not above 0")
        if not isinstance(shape, list) or len(shape) > MOST_AXES:
            raise BadCounters(field="*", reason=f"a shape is no list of at most {MOST_AXES} sizes")
        # Each size is bounded before they are multiplied: the product of hostile integers costs time and memory.
        if not all(type(size) is int and 0 <= size <= LARGEST for size in shape) or prod(shape) > LARGEST:
            raise BadCounters(field="*", reason=f"more than {LARGEST} elements")
        return cls(name, tuple(shape), scale)


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
    def from_json(cls, value: object) -> CounterLayout:
        """Inverse of `to_json`, for a hostile `value`; raises `BadCounters`."""
        if not isinstance(value, list):
            raise BadCounters(field="*", reason="a layout is a list of fields")
        return cls(tuple(CounterField.from_json(field) for field in value))


def with_prefix(counters: Counters, prefix: str) -> dict[str, NDArray[np.float64]]:
    """Rename each counter to `prefix/name`."""
    return {f"{prefix}/{name}": array for name, array in counters.items()}


def without_prefix(counters: Counters, prefix: str) -> dict[str, NDArray[np.float64]]:
    """The counters under `prefix/`, with their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): array for name, array in counters.items() if name.startswith(start)}
