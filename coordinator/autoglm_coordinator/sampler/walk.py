"""One way through a space: parameters in an order in which every condition and tie looks back.

Drawing at random, drawing from a model and counting all configurations differ only in how a value is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import Parameter, TiedParameter, among
from autoglm_core.space import SearchSpace


@dataclass(frozen=True)
class Step:
    """A parameter and the part of the configuration that it belongs to."""

    part: str
    parameter: Parameter

    @property
    def name(self) -> str:
        """Unique over both parts."""
        return f"{self.part}.{self.parameter.name}"

    @property
    def looks_at(self) -> tuple[str, ...]:
        """Parameters that must be known before."""
        tied = (self.parameter.same_as,) if isinstance(self.parameter, TiedParameter) else ()
        return (*(condition.parameter for condition in self.parameter.when), *tied)


def steps_of(space: SearchSpace) -> tuple[Step, ...]:
    """All parameters, parents first, else as declared; the `tune` part before `deploy` wherever possible."""
    waiting = [Step("tune", parameter) for parameter in space.tune]
    waiting += [Step("deploy", parameter) for parameter in space.deploy]
    ordered: list[Step] = []
    while waiting:
        names = {step.parameter.name for step in waiting}
        ready = next((step for step in waiting if not names.intersection(step.looks_at)), waiting[0])
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(ordered)


class _Path:
    """A configuration in the making."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.parts: dict[str, dict[str, Value]] = {"tune": {}, "deploy": {}}

    def is_active(self, step: Step) -> bool:
        return all(
            condition.parameter in self.values and among(self.values[condition.parameter], condition.values)
            for condition in step.parameter.when
        )

    def extended(self, step: Step, value: Value) -> _Path:
        path = _Path()
        path.values = {**self.values, step.parameter.name: value}
        path.parts = {part: dict(values) for part, values in self.parts.items()}
        path.parts[step.part][step.parameter.name] = value
        return path

    @property
    def configuration(self) -> Configuration:
        return Configuration(tune=self.parts["tune"], deploy=self.parts["deploy"])


def _follow(steps: Sequence[Step], path: _Path, choices: Callable[[Step], Sequence[Value]]) -> Iterator[_Path]:
    """All paths through `steps`, depth first."""
    if not steps:
        yield path
        return
    first, rest = steps[0], steps[1:]
    if not path.is_active(first):
        yield from _follow(rest, path, choices)
    elif isinstance(first.parameter, TiedParameter):
        same_as = first.parameter.same_as
        tied = path.extended(first, path.values[same_as]) if same_as in path.values else path
        yield from _follow(rest, tied, choices)
    else:
        for value in choices(first):
            yield from _follow(rest, path.extended(first, value), choices)


def walk(steps: Sequence[Step], choose: Callable[[str], Value]) -> Configuration:
    """The one configuration that `choose`, asked by full name, leads to."""
    return next(_follow(steps, _Path(), lambda step: (choose(step.name),))).configuration


def walk_all(steps: Sequence[Step], choices: Callable[[Step], Sequence[Value]]) -> Iterator[Configuration]:
    """Every configuration with values from `choices`, in order of declaration, one at a time."""
    return (path.configuration for path in _follow(steps, _Path(), choices))
