"""The sampler proposes: it sees what is known of a study's configurations and says which to try next.

A sampler keeps no state of its own worth saving. Given the same observations, pending configurations, seed and number
of earlier suggestions it suggests the same again, so a coordinator that was killed rebuilds it from the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.errors import AutoglmError, InvalidInput, Kind
from autoglm_core.reason import Reason
from autoglm_core.trial import Observation


@dataclass(frozen=True)
class Suggestion:
    """One `tune` and the `deploy` parts to be made of it: one TUNE, several variants.

    `reasons`: why each variant was suggested, in the same order; empty where the sampler does not say.
    """

    tune: Values
    variants: tuple[Values, ...]
    reasons: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tune", MappingProxyType(dict(self.tune)))
        object.__setattr__(self, "variants", tuple(MappingProxyType(dict(variant)) for variant in self.variants))
        if self.reasons and len(self.reasons) != len(self.variants):
            raise ValueError(f"{len(self.variants)} variants with {len(self.reasons)} reasons")

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """One for each variant."""
        return tuple(Configuration(tune=self.tune, deploy=variant) for variant in self.variants)

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {
            "tune": dict(self.tune),
            "variants": [dict(variant) for variant in self.variants],
            "reasons": [reason.to_json() for reason in self.reasons],
        }

    @classmethod
    def from_json(cls, value: Json) -> Suggestion:
        """Inverse of `to_json`."""
        return cls(
            tune=value["tune"],
            variants=tuple(value["variants"]),
            reasons=tuple(Reason.from_json(reason) for reason in value["reasons"]),
        )


@dataclass(frozen=True)
class Outlook:
    """What the best next suggestion promises.

    `gain`: expected, as a share of the present hypervolume; `seconds`: its predicted cost, None where nothing is known.
    """

    gain: float
    seconds: float | None

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {"gain": self.gain, "seconds": self.seconds}

    @classmethod
    def from_json(cls, value: Json) -> Outlook:
        """Inverse of `to_json`."""
        return cls(gain=value["gain"], seconds=value["seconds"])


class Sampler(Protocol):
    """Two methods. `observe` replaces what was known; `suggest` depends on nothing else."""

    def observe(self, completed: Sequence[Observation], pending: Sequence[Configuration]) -> None:
        """Take in what is known of final trials and the configurations under way, each in order of trial number."""
        ...

    def suggest(self, n: int) -> list[Suggestion]:
        """At most `n` suggestions, each with one or more variants; none repeats a known (tune, deploy).

        Fewer come back where the space holds fewer.

        Raises:
            SpaceExhausted: every configuration of a finite space is known.
            NoConfiguration: the constraints of the space leave too little to be found.
        """
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A sampler that says what is left to gain."""

    def outlook(self, suggestions: Sequence[Suggestion]) -> Outlook | None:
        """What `suggestions`, the ones that it just made, promise; None until it has a model of the front."""
        ...


class UnknownSampler(InvalidInput):
    """No sampler has that name."""

    code = "unknown-sampler"

    def __init__(self, *, name: str, nearest: str, known: Sequence[str]) -> None:
        hint = f"; did you mean `{nearest}`?" if nearest else "."
        super().__init__(
            f"sampler.name: unknown sampler `{name}`{hint} Known: {', '.join(known)}",
            name=name,
            nearest=nearest,
            known=", ".join(known),
        )


class UnsuitedSampler(InvalidInput):
    """The sampler cannot work on this study (`use` names one that can)."""

    code = "unsuited-sampler"

    def __init__(self, *, name: str, reason: str, use: str) -> None:
        super().__init__(
            f"sampler.name: `{name}` is not for this study: {reason}; use `{use}`", name=name, reason=reason, use=use
        )


class SpaceExhausted(AutoglmError):
    """Nothing is left to suggest: every configuration has been tried."""

    code = "space-exhausted"
    kind = Kind.EXHAUSTED

    def __init__(self, *, configurations: int) -> None:
        super().__init__(
            f"all {configurations} configurations of the search space have been tried, or come to a model that was; "
            "widen `search` to go on",
            configurations=configurations,
        )


class NoConfiguration(InvalidInput):
    """Random configurations keep breaking the constraints of the space."""

    code = "no-configuration"

    def __init__(self, *, tries: int) -> None:
        super().__init__(
            f"none of {tries} random configurations satisfies the constraints of `search`: loosen one",
            tries=tries,
        )
