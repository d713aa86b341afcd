"""A value for every active parameter, in two parts.

`tune` decides the training, `deploy` decides what is made of the tuned model. Trials whose `tune` is equal share one
TUNE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from autoglm_core.canonical import Json, json_digest
from autoglm_core.errors import InvalidInput

Value = str | int | float | bool
Values = Mapping[str, Value]


class BadConfiguration(InvalidInput):
    """A configuration is not of the agreed form."""

    code = "bad-configuration"

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"a configuration has the parts tune and deploy, each of named scalars: {reason}", reason=reason
        )


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

    @property
    def threads(self) -> int:
        """Threads that the variant runs with: a session option, so no part of its shape, but of what is measured."""
        return int(self.deploy.get("threads", 1))

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {"tune": dict(self.tune), "deploy": dict(self.deploy)}

    @classmethod
    def from_json(cls, value: object) -> Configuration:
        """Inverse of `to_json`, for a hostile `value`.

        Raises:
            BadConfiguration: not of this form.
        """
        if not isinstance(value, dict) or value.keys() != {"tune", "deploy"}:
            raise BadConfiguration(reason="other parts")
        for part in value.values():
            if not isinstance(part, dict) or not all(isinstance(name, str) for name in part):
                raise BadConfiguration(reason="a part is no mapping")
            if not all(isinstance(entry, str | int | float) for entry in part.values()):
                raise BadConfiguration(reason="a value is no scalar")
        return cls(tune=value["tune"], deploy=value["deploy"])
