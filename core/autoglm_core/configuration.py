"""A value for every active parameter, in two parts.

`tune` decides the training, `deploy` decides what is made of the tuned model. Trials whose `tune` is equal share one
TUNE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from autoglm_core.canonical import Json, json_digest

Value = str | int | float | bool
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Configuration:
    """One point of a search space. Both parts are copied and read-only; equality is by value."""

    tune: Values = field(default_factory=dict)
    deploy: Values = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tune", MappingProxyType(dict(self.tune)))
        object.__setattr__(self, "deploy", MappingProxyType(dict(self.deploy)))

    def __hash__(self) -> int:
        return hash(self.key)

    def __reduce__(self) -> tuple[type[Configuration], tuple[dict[str, Value], dict[str, Value]]]:
        return (Configuration, (dict(self.tune), dict(self.deploy)))

    @property
    def key(self) -> str:
        """SHA-256 over both parts."""
        return json_digest(self.to_json())

    @property
    def tune_key(self) -> str:
        """SHA-256 over the `tune` part alone."""
        return json_digest(dict(self.tune))

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {"tune": dict(self.tune), "deploy": dict(self.deploy)}

    @classmethod
    def from_json(cls, value: Json) -> Configuration:
        """Inverse of `to_json`."""
        return cls(tune=value["tune"], deploy=value["deploy"])
