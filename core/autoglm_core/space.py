"""The search space: the parameters of both parts, when each is active, and the constraints between them.

Samplers build configurations with `fill`, the agent refuses with `check` what an administrator did not approve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice, product

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Value, Values
from autoglm_core.constraint import Constraint
from autoglm_core.parameter import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    FreeParameter,
    IntParameter,
    Parameter,
    Part,
    Scale,
    TiedParameter,
    among,
    grid_size,
    same_value,
)
from autoglm_core.reference_values import reference_values
from autoglm_core.space_order import ordered
from autoglm_core.study_error import ConstraintError, ImpossibleSpace, OutsideSpace, nearest

__all__ = [
    "CategoricalParameter",
    "Condition",
    "FloatParameter",
    "FreeParameter",
    "IntParameter",
    "OutsideSpace",
    "Parameter",
    "Part",
    "Scale",
    "SearchSpace",
    "TiedParameter",
]

Choose = Callable[[FreeParameter], Value]
"""Gives an active free parameter its value."""

ATTEMPTS = 20_000
"""Candidates tried for a reference configuration that meets the constraints."""
WORK = 2_000_000
"""Parameters set and characters of constraints read in that search, in all: a hostile space cannot keep us busy."""


@dataclass(frozen=True)
class SearchSpace:
    """Parameters of `tune` and `deploy` in declared order, and `constraints` over them.

    A constraint that names a parameter which is not active in a configuration does not apply to it.

    Raises:
        ImpossibleSpace: no configuration can exist as declared.
    """

    tune: tuple[Parameter, ...] = ()
    deploy: tuple[Parameter, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    _ordered: tuple[Parameter, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ordered", ordered(self.tune, self.deploy))
        for constraint in self.constraints:
            for name in constraint.names:
                if name not in self.names:
                    raise ImpossibleSpace(
                        parameter=name,
                        reason=f"is in {constraint.text!r}, but not declared",
                        nearest=nearest(name, self.names),
                    )

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of all parameters."""
        return frozenset(parameter.name for parameter in self._ordered)

    @property
    def has_conditions(self) -> bool:
        """Whether some parameter is not always active."""
        return any(parameter.when for parameter in self._ordered)

    def part_of(self, name: str) -> Part:
        """The part in which the parameter `name` is declared."""
        return Part.DEPLOY if any(parameter.name == name for parameter in self.deploy) else Part.TUNE

    def ordered(self, part: Part) -> tuple[Parameter, ...]:
        """The parameters of `part`, each after those it depends on."""
        own = {parameter.name for parameter in (self.tune if part is Part.TUNE else self.deploy)}
        return tuple(parameter for parameter in self._ordered if parameter.name in own)

    def active(self, part: Part, values: Values) -> tuple[Parameter, ...]:
        """Parameters of `part` that are active at `values`, which hold those of both parts by name."""
        return tuple(parameter for parameter in self.ordered(part) if _is_active(parameter, values))

    def fill(self, part: Part, choose: Choose, *, given: Values | None = None) -> dict[str, Value]:
        """Values of `part`: `choose` is asked for each active free parameter, ties are copied.

        `given`: for `deploy`, the values of `tune`. Constraints are not looked at: see `admits`.
        """
        known: dict[str, Value] = dict(given or {})
        filled: dict[str, Value] = {}
        for parameter in self.ordered(part):
            if _is_active(parameter, known):
                value = known[parameter.same_as] if isinstance(parameter, TiedParameter) else choose(parameter)
                known[parameter.name] = filled[parameter.name] = value
        return filled

    def build(self, choose: Choose) -> Configuration:
        """A configuration of both parts, see `fill`."""
        tune = self.fill(Part.TUNE, choose)
        return Configuration(tune=tune, deploy=self.fill(Part.DEPLOY, choose, given=tune))

    def admits(self, values: Values) -> bool:
        """Whether every constraint whose names all have a value in `values` holds.

        With the values of `tune` alone it tells whether they may be combined with any `deploy` at all.

        Raises:
            ConstraintError: a constraint uses a text as a number.
        """
        return all(not _applies(constraint, values) or constraint.holds(values) for constraint in self.constraints)

    def check(self, configuration: Configuration) -> None:
        """Raise `OutsideSpace` unless exactly the active parameters have a value, and each a permitted one."""
        self._check_part(Part.TUNE, configuration.tune, {})
        self._check_part(Part.DEPLOY, configuration.deploy, configuration.tune)
        for constraint in self.constraints:
            if not _met(constraint, {**configuration.tune, **configuration.deploy}):
                raise OutsideSpace(parameter=constraint.names[0], reason=f"breaks {constraint.text!r}")

    def contains(self, configuration: Configuration) -> bool:
        """Whether `check` passes."""
        try:
            self.check(configuration)
        except OutsideSpace:
            return False
        return True

    def _check_part(self, part: Part, values: Values, given: Values) -> None:
        own = {parameter.name for parameter in self.ordered(part)}
        for name in values:
            if name not in own:
                raise OutsideSpace(parameter=name[:64], reason=f"is no parameter of {part}")
        known = {**given, **values}
        for parameter in self.ordered(part):
            if not _is_active(parameter, known):
                if parameter.name in values:
                    raise OutsideSpace(parameter=parameter.name, reason="is not active here")
            elif parameter.name not in values:
                raise OutsideSpace(parameter=parameter.name, reason="is missing")
            else:
                _check_value(parameter, known)

    def reference(self) -> Configuration:
        """The configuration that others are compared with, where the study declares none.

        First choices and midpoints in `tune`; in `deploy` what compresses least: `none` or 0 among choices, else the
        first, and the minimum of a range. Where that breaks a constraint, the first combination that breaks none is
        taken, later parameters varying first and ranges taking their middle, minimum and maximum; at most `ATTEMPTS`
        are tried, fewer in a large space.

        Raises:
            ImpossibleSpace: none of them meets the constraints.
        """
        free = [parameter for parameter in self._ordered if not isinstance(parameter, TiedParameter)]
        effort = 1 + len(self._ordered) + sum(len(constraint.text) for constraint in self.constraints)
        for values in islice(product(*map(self.reference_values, free)), min(ATTEMPTS, 1 + WORK // effort)):
            chosen = dict(zip((parameter.name for parameter in free), values, strict=True))
            configuration = self.build(partial(_look_up, chosen))
            if self.admits({**configuration.tune, **configuration.deploy}):
                return configuration
        raise ImpossibleSpace(
            parameter=self.constraints[0].names[0],
            reason="no configuration was found that meets all constraints: loosen them, or declare `reference`",
        )

    def reference_values(self, parameter: FreeParameter) -> tuple[Value, ...]:
        """Values that a reference may give `parameter`, the usual one first."""
        return reference_values(parameter, least=self.part_of(parameter.name) is Part.DEPLOY)

    def size(self) -> int | None:
        """Combinations of all free parameters, conditions and constraints ignored; None with real numbers."""
        return grid_size(tuple(parameter for parameter in self._ordered if not isinstance(parameter, TiedParameter)))

    def grid(self) -> Iterator[Configuration]:
        """Every configuration of a countable space, once each, in declared order; nothing where `size` is None."""
        if self.size() is not None:
            for tune in self._grid(Part.TUNE, {}):
                for deploy in self._grid(Part.DEPLOY, tune):
                    if self.admits({**tune, **deploy}):
                        yield Configuration(tune=tune, deploy=deploy)

    def _grid(self, part: Part, given: Values) -> Iterator[dict[str, Value]]:
        parameters = self.ordered(part)

        def extend(number: int, filled: dict[str, Value]) -> Iterator[dict[str, Value]]:
            if number == len(parameters):
                yield filled
                return
            for value in _possible(parameters[number], {**given, **filled}):
                yield from extend(number + 1, filled if value is None else {**filled, parameters[number].name: value})

        return extend(0, {})

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "tune": [parameter.to_json() for parameter in self.tune],
            "deploy": [parameter.to_json() for parameter in self.deploy],
            "constraints": [constraint.text for constraint in self.constraints],
        }


def _look_up(values: Values, parameter: FreeParameter) -> Value:
    return values[parameter.name]


def _is_active(parameter: Parameter, values: Values) -> bool:
    if isinstance(parameter, TiedParameter) and parameter.same_as not in values:
        return False
    return all(
        condition.parameter in values and among(values[condition.parameter], condition.values)
        for condition in parameter.when
    )


def _applies(constraint: Constraint, values: Values) -> bool:
    return all(name in values for name in constraint.names)


def _met(constraint: Constraint, values: Values) -> bool:
    """Whether `values` pass; those that the constraint cannot judge do not."""
    try:
        return not _applies(constraint, values) or constraint.holds(values)
    except ConstraintError:
        return False


def _check_value(parameter: Parameter, values: Values) -> None:
    value = values[parameter.name]
    if isinstance(parameter, TiedParameter):
        if not same_value(value, values[parameter.same_as]):
            raise OutsideSpace(parameter=parameter.name, reason=f"differs from {parameter.same_as}")
    elif not parameter.contains(value):
        raise OutsideSpace(parameter=parameter.name, reason="has a value that is not permitted")


def _possible(parameter: Parameter, values: Values) -> tuple[Value | None, ...] | range:
    """Values in a grid; (None,) for a parameter that is not active."""
    if not _is_active(parameter, values):
        return (None,)
    if isinstance(parameter, TiedParameter):
        return (values[parameter.same_as],)
    return parameter.values or ()
