"""Constraints that cannot hold together, found when a study is read and not after its budget is spent.

Two ways, neither of which refuses a study that has a configuration to offer: from what constraints say of single names
and of ranges, which names the culprits, and where no reference configuration was found, by trying configurations spread
over the space. A constraint does not apply where a parameter that it names is not active, so the first way looks only
at those whose parameters always are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from autoglm_core.claims import ANYTHING, Claim, Range, claims, impossible
from autoglm_core.configuration import Configuration, Values
from autoglm_core.constraint import Constraint
from autoglm_core.objective import COST_METRICS
from autoglm_core.parameter import CategoricalParameter, FloatParameter, IntParameter, Parameter, TiedParameter
from autoglm_core.space import WORK, SearchSpace
from autoglm_core.spread import spread
from autoglm_core.study_error import Place, StudyError

TRIED = 10_000
"""Configurations that are tried before a space is called empty; fewer where each takes long."""

MOST_COMPARED = 64
"""Claims about one name that later ones are compared with: a hostile study cannot keep us busy."""


@dataclass(frozen=True)
class Placed:
    """A constraint and where it stands."""

    constraint: Constraint
    place: Place


def check_together(space: SearchSpace, constraints: Sequence[Placed]) -> None:
    """Raise `StudyError`, naming them, where of those that always apply some cannot hold together."""
    always = [entry for entry in constraints if _always_applies(entry.constraint, space)]
    said = [(entry, claim) for entry in always for claim in claims(entry.constraint.tree)]
    declared = {parameter.name: _declared(parameter) for parameter in (*space.tune, *space.deploy)}
    for entry, claim in said:
        range_of = declared.get(claim.name) or _usual(claim.name)
        if range_of is not None and claim.excludes(range_of):
            raise StudyError(entry.place, f"`{entry.constraint.text}` cannot hold: {claim.name} {_words(range_of)}")
    _check_pairs(said)
    _check_ranges(always, said, [claim for claim in declared.values() if claim is not None])


def _check_pairs(said: Sequence[tuple[Placed, Claim]]) -> None:
    known: dict[str, list[tuple[Placed, Claim]]] = {}
    for later, claim in said:
        earlier = known.setdefault(claim.name, [])
        for entry, other in earlier:
            if claim.excludes(other):
                others = [] if entry is later else [entry.constraint]
                raise StudyError(later.place, _both(later.constraint, others))
        if len(earlier) < MOST_COMPARED:
            earlier.append((later, claim))


def _check_ranges(always: Sequence[Placed], said: Sequence[tuple[Placed, Claim]], declared: Sequence[Claim]) -> None:
    ranges: dict[str, Range] = {}
    for claim in (*declared, *(claim for _, claim in said)):
        low, high = ranges.get(claim.name, ANYTHING)
        ranges[claim.name] = max(low, claim.range[0]), min(high, claim.range[1])
    for entry in always:
        if impossible(entry.constraint.tree, ranges):
            others = {
                other.constraint.text: other.constraint
                for other, claim in said
                if other is not entry and claim.name in entry.constraint.names
            }
            raise StudyError(entry.place, _both(entry.constraint, list(others.values())))


def _both(one: Constraint, others: Sequence[Constraint]) -> str:
    if not others:
        return f"`{one.text}` cannot hold with any values in the declared ranges"
    named = " and ".join(f"`{other.text}`" for other in others)
    return f"`{one.text}` cannot hold together with {named}: loosen one"


def _always_applies(constraint: Constraint, space: SearchSpace) -> bool:
    """A name that is no parameter is a metric, and every trial that counts has it."""
    named = {parameter.name: parameter for parameter in (*space.tune, *space.deploy)}
    return all(name not in named or _always_active(named[name], named) for name in constraint.names)


def _always_active(parameter: Parameter, named: dict[str, Parameter]) -> bool:
    if isinstance(parameter, TiedParameter) and not _always_active(named[parameter.same_as], named):
        return False
    return not parameter.when


def _declared(parameter: Parameter) -> Claim | None:
    match parameter:
        case FloatParameter() | IntParameter():
            return Claim(parameter.name, low=parameter.minimum, high=parameter.maximum)
        case CategoricalParameter():
            return Claim(parameter.name, values=parameter.choices)
    return None


def _usual(metric: str) -> Claim | None:
    return Claim(metric, low=0.0) if metric in COST_METRICS else None


def _words(claim: Claim) -> str:
    if claim.values is not None:
        return f"is one of {', '.join(map(repr, claim.values[:12]))}"
    return "is never below 0" if claim.high == float("inf") else f"lies between {claim.low:g} and {claim.high:g}"


def find_configuration(space: SearchSpace, constraints: Sequence[Placed]) -> Configuration:
    """The first configuration that meets `constraints`, those of `space`.

    Tried are all where they are few, else `TRIED` that are spread over the space.

    Raises:
        StudyError: none was found; naming the constraint, or the two, that are met by none.
    """
    effort = 1 + len(space.names) + sum(len(entry.constraint.text) for entry in constraints)
    met: list[list[bool]] = []
    for configuration in islice(_candidates(space), min(TRIED, 1 + WORK // effort)):
        values = {**configuration.tune, **configuration.deploy}
        holds = [_holds(entry.constraint, values) for entry in constraints]
        if all(holds):
            return configuration
        met.append(holds)
    raise _none_found(constraints, met)


def _candidates(space: SearchSpace) -> Iterator[Configuration]:
    """All, where they are few."""
    size = space.size()
    return SearchSpace(space.tune, space.deploy).grid() if size is not None and size <= TRIED else spread(space)


def _holds(constraint: Constraint, values: Values) -> bool:
    return constraint.holds(values) if all(name in values for name in constraint.names) else True


def _none_found(constraints: Sequence[Placed], met: Sequence[Sequence[bool]]) -> StudyError:
    tried = f"none of {len(met)} configurations that were tried"
    for number, entry in enumerate(constraints):
        if not any(row[number] for row in met):
            return StudyError(
                entry.place, f"{tried} meets `{entry.constraint.text}`: loosen it, or declare `reference`"
            )
    for (first, one), (second, other) in combinations(enumerate(constraints), 2):
        if not any(row[first] and row[second] for row in met):
            reason = f"{tried} meets `{one.constraint.text}` and `{other.constraint.text}` together: loosen one"
            return StudyError(other.place, f"{reason}, or declare `reference`")
    return StudyError(constraints[-1].place, f"{tried} meets all constraints: loosen one, or declare `reference`")
