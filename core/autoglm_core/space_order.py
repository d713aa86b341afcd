"""Which parameters depend on which: an order to build a configuration in, and the contradictions that forbid one.

A parameter depends on the parameters of its conditions and on the one it is tied to. `deploy` may depend on `tune`,
never the other way round, because trials with equal `tune` share one TUNE.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.configuration import Value
from autoglm_core.parameter import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Parameter,
    TiedParameter,
    typed,
)
from autoglm_core.study_error import ImpossibleSpace, nearest

MOST = 200
"""Parameters of a space: far above what any sampler handles, far below what a recursion over them endures."""
MOST_VALUES = 4096
"""Choices and values of conditions of a whole space: conditions are compared with each other."""

Named = Mapping[str, Parameter]


def parents(parameter: Parameter) -> tuple[str, ...]:
    """Names of the parameters that `parameter` depends on."""
    tied = (parameter.same_as,) if isinstance(parameter, TiedParameter) else ()
    return (*(condition.parameter for condition in parameter.when), *tied)


def ordered(tune: tuple[Parameter, ...], deploy: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """All parameters, `tune` first, each after those it depends on, else in declared order.

    Raises:
        ImpossibleSpace: a name stands twice, a dependency is unknown, cyclic, from tune on deploy, or can never hold.
    """
    named = _by_name((*tune, *deploy))
    tune_names = {parameter.name for parameter in tune}
    for parameter in named.values():
        _check_parents(parameter, named, tune_names)
    result: dict[str, Parameter] = {}
    for parameter in (*tune, *deploy):
        _place(parameter, named, result, path=())
    for parameter in result.values():
        _check_satisfiable(parameter, named)
    return tuple(result.values())


def _by_name(parameters: tuple[Parameter, ...]) -> Named:
    named: dict[str, Parameter] = {}
    if len(parameters) > MOST:
        raise ImpossibleSpace(parameter=parameters[MOST].name, reason=f"is one too many: at most {MOST} parameters")
    for parameter in parameters:
        if parameter.name in named:
            raise ImpossibleSpace(parameter=parameter.name, reason="is declared twice")
        named[parameter.name] = parameter
    if sum(map(_values, parameters)) > MOST_VALUES:
        raise ImpossibleSpace(parameter=parameters[-1].name, reason=f"comes after more than {MOST_VALUES} choices")
    return named


def _values(parameter: Parameter) -> int:
    """Choices, and values of conditions."""
    choices = parameter.choices if isinstance(parameter, CategoricalParameter) else ()
    return len(choices) + sum(len(condition.values) for condition in parameter.when)


def _check_parents(parameter: Parameter, named: Named, tune_names: set[str]) -> None:
    for parent in parents(parameter):
        if parent not in named:
            known = named.keys() - {parameter.name}
            raise ImpossibleSpace(
                parameter=parameter.name,
                reason=f"depends on {parent!r}, which does not exist",
                nearest=nearest(parent, known),
            )
        if parameter.name in tune_names and parent not in tune_names:
            raise ImpossibleSpace(
                parameter=parameter.name, reason=f"is in tune and cannot depend on {parent!r} in deploy"
            )
    for condition in parameter.when:
        _check_condition(parameter.name, condition, named[condition.parameter])


def _check_condition(name: str, condition: Condition, parent: Parameter) -> None:
    if isinstance(parent, TiedParameter):
        reason = f"cannot depend on {parent.name!r}, which is tied: name {parent.same_as!r} instead"
        raise ImpossibleSpace(parameter=name, reason=reason)
    if isinstance(parent, FloatParameter):
        raise ImpossibleSpace(
            parameter=name, reason=f"cannot depend on {parent.name!r}, which is a range of real numbers"
        )
    if not condition.values:
        raise ImpossibleSpace(parameter=name, reason=f"names no value of {parent.name!r}: it could never be active")
    for value in condition.values:
        if not parent.contains(value):
            raise ImpossibleSpace(
                parameter=name,
                reason=f"waits for {parent.name} = {value!r}, which {_offer(parent)}",
                nearest=_near(value, parent),
            )


def _offer(parent: IntParameter | CategoricalParameter) -> str:
    if isinstance(parent, IntParameter):
        return f"is not in {parent.minimum}..{parent.maximum}"
    return f"is not among {', '.join(repr(choice) for choice in parent.choices[:12])}"


def _near(value: Value, parent: IntParameter | CategoricalParameter) -> str | None:
    if isinstance(parent, IntParameter) or not isinstance(value, str):
        return None
    return nearest(value, [choice for choice in parent.choices if isinstance(choice, str)])


def _place(parameter: Parameter, named: Named, result: dict[str, Parameter], *, path: tuple[str, ...]) -> None:
    if parameter.name in result:
        return
    if parameter.name in path:
        cycle = " -> ".join((*path[path.index(parameter.name) :], parameter.name))
        raise ImpossibleSpace(parameter=parameter.name, reason=f"depends on itself: {cycle}")
    for parent in parents(parameter):
        _place(named[parent], named, result, path=(*path, parameter.name))
    result[parameter.name] = parameter


def _check_satisfiable(parameter: Parameter, named: Named) -> None:
    """All conditions of `parameter` and of what it depends on, taken together, leave each parent a value."""
    left: dict[str, set[tuple[type, Value]]] = {}
    pending, seen = [parameter], {parameter.name}
    while pending:
        current = pending.pop()
        for condition in current.when:
            wanted = set(map(typed, condition.values))
            left[condition.parameter] = wanted & left.get(condition.parameter, wanted)
            if not left[condition.parameter]:
                reason = f"can never be active: what it depends on needs different values of {condition.parameter!r}"
                raise ImpossibleSpace(parameter=parameter.name, reason=reason)
        for parent in parents(current):
            if parent not in seen:
                seen.add(parent)
                pending.append(named[parent])
