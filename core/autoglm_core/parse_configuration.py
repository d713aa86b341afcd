"""Configurations that a study declares: its reference, and those its user believes in.

They may be partial: what one leaves out comes from another configuration, and where that has no such parameter, from
the space's reference values.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.configuration import Configuration, Value, Values
from autoglm_core.parameter import FloatParameter, FreeParameter, Part
from autoglm_core.section import Section, as_mapping, as_number, as_scalar
from autoglm_core.space import SearchSpace
from autoglm_core.study_error import OutsideSpace, Place, StudyError, nearest


def parse_configuration(value: object, place: Place, space: SearchSpace, *, else_as: Values) -> Configuration:
    """`{tune, deploy}` at `place`; what it leaves out is as in `else_as`.

    Raises:
        StudyError: naming the parameter, and what is wrong with it.
    """
    declared = _declared(Section(value, place, ("tune", "deploy")), space)

    def choose(parameter: FreeParameter) -> Value:
        if parameter.name not in declared:
            return else_as.get(parameter.name, space.reference_values(parameter)[0])
        given, at = declared[parameter.name], _place(parameter.name, place, space)
        return as_number(given, at) if isinstance(parameter, FloatParameter) else as_scalar(given, at)

    configuration = space.build(choose)
    _check(configuration, declared, place, space)
    return configuration


def _declared(parts: Section, space: SearchSpace) -> dict[str, object]:
    declared: dict[str, object] = {}
    for part in Part:
        entries = as_mapping(parts.take(part), parts.at(part)) if part in parts else {}
        known = {parameter.name for parameter in space.ordered(part)}
        for name in entries:
            if name not in known:
                raise StudyError((*parts.at(part), name), f"is no parameter of {part}", nearest=nearest(name, known))
        declared |= entries
    return declared


def _place(name: str, place: Place, space: SearchSpace) -> Place:
    return (*place, str(space.part_of(name)), name)


def _check(configuration: Configuration, declared: Mapping[str, object], place: Place, space: SearchSpace) -> None:
    values = {**configuration.tune, **configuration.deploy}
    for name, value in declared.items():
        if name not in values:
            raise StudyError(_place(name, place, space), "is not active in this configuration")
        if values[name] != value:
            raise StudyError(_place(name, place, space), "is tied to another parameter and has another value here")
    try:
        space.check(configuration)
    except OutsideSpace as error:
        at = _place(error.parameter, place, space) if error.parameter in declared else place
        raise StudyError(at, error.reason if at is not place else error.message) from None
