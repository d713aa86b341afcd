"""One parameter from any of its spellings; all spellings of one parameter give equal values.

- text: `loguniform(a, b)`, `uniform(a, b)`, `int(a, b)`, `choice(x, y)`, `same_as(other)`, `(a, b, "log")`
- a Python tuple: `(a, b, "log")` or `(a, b, "linear")`
- a list: the choices; a single scalar: the one choice
- a mapping: `{type: float, min, max, scale, when}`, `{type: int, min, max, scale, when}`, `{type: int, values, when}`,
  `{type: categorical, choices, when}`, `{same_as: other, when}`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autoglm_core.call_text import read_call
from autoglm_core.configuration import Value
from autoglm_core.parameter import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Parameter,
    Scale,
    TiedParameter,
)
from autoglm_core.section import (
    Section,
    as_integer,
    as_list,
    as_mapping,
    as_number,
    as_text,
    kind_of,
    one_of,
)
from autoglm_core.study_error import ImpossibleSpace, Place, StudyError, nearest

SCALES = tuple(str(scale) for scale in Scale)
TYPES = ("float", "int", "categorical")


def parse_parameters(value: object, place: Place) -> tuple[Parameter, ...]:
    """A mapping of spellings by name, or a list of mappings with a `name`, in its order."""
    if isinstance(value, Mapping):
        entries = as_mapping(value, place).items()
        return tuple(parse_parameter(name, spelling, (*place, name)) for name, spelling in entries)
    return tuple(_named(item, (*place, number)) for number, item in enumerate(as_list(value, place)))


def _named(value: object, place: Place) -> Parameter:
    entries = dict(as_mapping(value, place))
    name = as_text(entries.pop("name", None), (*place, "name"))
    return parse_parameter(name, entries, place)


def parse_parameter(name: str, spelling: object, place: Place) -> Parameter:
    """The parameter `name` declared by `spelling` at `place`.

    Raises:
        StudyError: the spelling is unknown, has other arguments than it needs, or no value is possible.
    """
    try:
        return _parse(name, spelling, place)
    except ImpossibleSpace as error:
        raise StudyError(place, error.reason, nearest=error.nearest) from None


def _parse(name: str, spelling: object, place: Place) -> Parameter:
    match spelling:
        case Mapping():
            return _spelled_out(name, spelling, place)
        case str():
            return _text(name, spelling, place)
        case tuple():
            return _tuple(name, spelling, place)
        case list():
            return _choice(name, spelling, place)
        case bool() | int() | float():
            return _choice(name, [spelling], place)
    raise StudyError(place, f"must be a range, a list of choices or a mapping, not {kind_of(spelling)}")


def _text(name: str, text: str, place: Place) -> Parameter:
    try:
        call = read_call(text)
    except ValueError as error:
        raise StudyError(place, f"{text[:80]!r} {error}") from None
    if call is None:
        if text in CALLS or "(" in text:
            raise StudyError(place, f"{text[:80]!r} is no complete spelling: write for example loguniform(1e-3, 1e-1)")
        return _choice(name, [text], place)
    if not call.word:
        return _tuple(name, call.arguments, place)
    if call.word not in CALLS:
        reason = f"{call.word!r} is no way to declare a parameter; write one of {', '.join(sorted(CALLS))}"
        raise StudyError(place, reason, nearest=nearest(call.word, CALLS))
    return CALLS[call.word](name, call.arguments, place)


def _tuple(name: str, arguments: Sequence[object], place: Place) -> Parameter:
    if len(arguments) == 3:
        scale = Scale(one_of(arguments[2], SCALES, (*place, 2)))
        return _float(name, arguments[:2], place, scale=scale)
    raise StudyError(place, 'a range in parentheses is (min, max, "log") or (min, max, "linear")')


def _loguniform(name: str, arguments: Sequence[object], place: Place) -> Parameter:
    return _float(name, arguments, place, scale=Scale.LOG)


def _uniform(name: str, arguments: Sequence[object], place: Place) -> Parameter:
    return _float(name, arguments, place, scale=Scale.LINEAR)


def _float(name: str, arguments: Sequence[object], place: Place, *, scale: Scale) -> Parameter:
    low, high = _ends(arguments, place)
    return FloatParameter(name, as_number(low, place), as_number(high, place), scale)


def _int(name: str, arguments: Sequence[object], place: Place) -> Parameter:
    scale = Scale(one_of(arguments[2], SCALES, place)) if len(arguments) == 3 else Scale.LINEAR
    low, high = _ends(arguments[:2], place)
    return IntParameter(name, as_integer(low, place), as_integer(high, place), scale)


def _ends(arguments: Sequence[object], place: Place) -> tuple[object, object]:
    if len(arguments) != 2:
        raise StudyError(place, f"a range needs min and max, not {len(arguments)} values")
    return arguments[0], arguments[1]


def _choice(name: str, arguments: Sequence[object], place: Place) -> Parameter:
    return CategoricalParameter(name, _values(arguments, place))


def _same_as(name: str, arguments: Sequence[object], place: Place) -> Parameter:
    if len(arguments) != 1:
        raise StudyError(place, "same_as needs the name of one parameter")
    return TiedParameter(name, as_text(arguments[0], place))


CALLS: Mapping[str, Callable[[str, Sequence[object], Place], Parameter]] = {
    "loguniform": _loguniform,
    "uniform": _uniform,
    "int": _int,
    "integer": _int,
    "choice": _choice,
    "same_as": _same_as,
}


def _spelled_out(name: str, value: Mapping[str, object], place: Place) -> Parameter:
    if "same_as" in value:
        tied = Section(value, place, ("same_as", "when"))
        return TiedParameter(name, tied.text("same_as"), _when(tied))
    # The type decides which keys are known, so it is read before them.
    kind = one_of(value["type"], TYPES, (*place, "type")) if "type" in value else _missing_type(value, place)
    listed = "choices" if kind == "categorical" else "values"
    if kind == "categorical" or (kind == "int" and listed in value):
        section = Section(value, place, ("type", listed, "when"))
        choices = _values(as_list(section.take(listed), section.at(listed)), section.at(listed))
        if kind == "int":
            choices = tuple(as_integer(choice, section.at(listed)) for choice in choices)
        return CategoricalParameter(name, choices, _when(section))
    return _range(name, kind, Section(value, place, ("type", "min", "max", "scale", "when")))


def _missing_type(value: Mapping[str, object], place: Place) -> str:
    known = ("type", "min", "max", "scale", "values", "choices", "same_as", "when")
    Section(value, place, known)
    raise StudyError(place, f"the key 'type' is missing: one of {', '.join(TYPES)}, or write same_as")


def _range(name: str, kind: str, section: Section) -> Parameter:
    scale, when = Scale(section.word("scale", SCALES, "linear")), _when(section)
    if kind == "int":
        return IntParameter(name, section.integer("min"), section.integer("max"), scale, when)
    return FloatParameter(name, section.number("min"), section.number("max"), scale, when)


def _when(section: Section) -> tuple[Condition, ...]:
    """Conditions by parameter name, sorted, so that equal declarations are equal values."""
    if "when" not in section:
        return ()
    place = section.at("when")
    entries = as_mapping(section.take("when"), place)
    return tuple(
        Condition(parent, _values(wanted if isinstance(wanted, list | tuple) else [wanted], (*place, parent)))
        for parent, wanted in sorted(entries.items())
    )


def _values(items: Sequence[object], place: Place) -> tuple[Value, ...]:
    """Scalars; where some are floats and all are numbers, all become floats."""
    values = tuple(_value(item, (*place, number)) for number, item in enumerate(items))
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numeric and any(isinstance(value, float) for value in values):
        return tuple(as_number(value, place) for value in values)
    return values


def _value(item: object, place: Place) -> Value:
    if isinstance(item, float):
        return as_number(item, place)
    if isinstance(item, int) and not isinstance(item, bool):
        return as_integer(item, place)
    if isinstance(item, str | bool):
        return item
    raise StudyError(place, f"must be a number, a text or true or false, not {kind_of(item)}")
