"""What a `tune` configuration says about local training, with defaults for what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any

from autoglm_core.configuration import Value, Values
from autoglm_core.study_error import StudyError


@dataclass(frozen=True)
class TrainingOptions:
    """Of one site's training in one round. The defaults suit small networks and tables."""

    learning_rate: float = 0.05
    batch_size: int = 32
    """Rows of a step; the last step of an epoch may have fewer."""
    local_epochs: int = 1
    optimizer: str = "sgd"
    """`sgd` or `adam`; its state starts afresh in every round, because a site keeps nothing between tasks."""
    momentum: float = 0.9
    """Of sgd; adam's decay rates are 0.9 and 0.99."""
    weight_decay: float = 0.0
    """Decoupled from the gradient (Loshchilov and Hutter 2019), for both optimizers."""
    proximal_mu: float = 0.0
    """FedProx (Li et al. 2020): pull towards the broadcast weights."""
    label_smoothing: float = 0.0
    clip_norm: float = 1.0
    """Largest norm of a step's gradient; 0 leaves it free. Label-skewed sites start each round with steep losses."""

    def updated(self, tune: Values) -> TrainingOptions:
        """With the values of `tune` that concern training.

        Raises:
            StudyError: a value is of the wrong type or out of its range.
        """
        known: dict[str, Any] = {name: _checked(name, tune[name]) for name in OPTION_NAMES if name in tune}
        return replace(self, **known)


def _number(test: Callable[[float], bool]) -> Callable[[Value], float | None]:
    def convert(value: Value) -> float | None:
        numeric = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        return float(value) if numeric and test(float(value)) else None

    return convert


def _whole(value: Value) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def _optimizer(value: Value) -> str | None:
    return value if isinstance(value, str) and value in ("sgd", "adam") else None


_not_negative = _number(lambda value: value >= 0)
_fraction = _number(lambda value: 0 <= value < 1)
_RULES: Mapping[str, tuple[Callable[[Value], float | int | str | None], str]] = {
    "learning_rate": (_not_negative, "a number of at least 0"),
    "batch_size": (_whole, "a whole number of at least 1"),
    "local_epochs": (_whole, "a whole number of at least 1"),
    "optimizer": (_optimizer, "sgd or adam"),
    "momentum": (_fraction, "a number from 0 to below 1"),
    "weight_decay": (_not_negative, "a number of at least 0"),
    "proximal_mu": (_not_negative, "a number of at least 0"),
    "label_smoothing": (_fraction, "a number from 0 to below 1"),
    "clip_norm": (_not_negative, "a number of at least 0"),
}
OPTION_NAMES = tuple(field.name for field in fields(TrainingOptions))


def _checked(name: str, value: Value) -> float | int | str:
    convert, expected = _RULES[name]
    converted = convert(value)
    if converted is None:
        raise StudyError(("search", "tune", name), f"must be {expected}")
    return converted
