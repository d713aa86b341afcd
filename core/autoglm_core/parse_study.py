"""A study from its declaration, as a user writes it or in canonical form.

What only a workload knows, its version and its metrics, is passed in as `WorkloadFacts`: core knows no workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from autoglm_core.budget import KEYS as BUDGET_KEYS
from autoglm_core.budget import parse_budget
from autoglm_core.canonical import canonical_json, read_canonical
from autoglm_core.configuration import Configuration
from autoglm_core.constraint import Constraint
from autoglm_core.contradictions import Placed, check_together, find_configuration
from autoglm_core.encoding import Malformed
from autoglm_core.objective import Direction, Objective, Weighted, usual_direction
from autoglm_core.parse_configuration import parse_configuration
from autoglm_core.parse_parameter import parse_parameters
from autoglm_core.parse_schema import parse_schema
from autoglm_core.parse_settings import parse_model, parse_protection, parse_sampler, parse_split
from autoglm_core.section import Section, as_integer, as_list, as_mapping, as_number, as_text, one_of
from autoglm_core.space import SearchSpace
from autoglm_core.study import Study
from autoglm_core.study_error import ConstraintError, ImpossibleSpace, Place, StudyError
from autoglm_core.study_metrics import check_metrics

KEYS = (
    *("name", "workload", "workload_version", "data", "model", "schema", "search", "objectives", "weighted"),
    *("constraints", "rounds", "rungs", "budget", "sampler", "protection", "split", "device_classes", "reference"),
    "public_data",
)
DIRECTIONS = tuple(str(direction) for direction in Direction)
LARGEST_STUDY = 2**20
"""Bytes of a study in canonical form."""
MOST_CONSTRAINTS = 100


@dataclass(frozen=True)
class WorkloadFacts:
    """What a study is checked against.

    `metrics`: those that the workload's `score` yields for a study; None leaves metrics unchecked.
    """

    version: int = 1
    metrics: Callable[[Study], Collection[str]] | None = None


def parse_study(value: object, workload: WorkloadFacts | None = None) -> Study:
    """The study declared by `value`; a key whose value is null counts as absent.

    Raises:
        StudyError: naming the place, what is wrong there and, for a name, the nearest valid one.
    """
    section = Section(value, (), KEYS)
    facts = workload or WorkloadFacts()
    space, outcomes, reference = _space(section)
    weighted = Weighted(_weights(section)) if "weighted" in section else None
    model, options = parse_model(section)
    study = Study(
        name=section.text("name"),
        workload=section.text("workload"),
        workload_version=section.integer("workload_version", facts.version),
        data=section.text("data"),
        model=model,
        model_options=options,
        schema=parse_schema(section.take("schema")),
        space=space,
        objectives=_objectives(section, weighted),
        weighted=weighted,
        constraints=outcomes,
        rounds=section.integer("rounds"),
        rungs=tuple(as_integer(item, ("rungs", number)) for number, item in enumerate(section.items("rungs"))),
        budget=parse_budget(Section(section.take("budget"), ("budget",), BUDGET_KEYS)),
        sampler=parse_sampler(section, space, reference),
        protection=parse_protection(section),
        split=parse_split(section),
        device_classes=section.texts("device_classes"),
        reference=reference,
        public_data=section.boolean("public_data", False),
    )
    if facts.metrics is not None:
        check_metrics(study, facts.metrics(study))
    return study


def parse_canonical(value: object) -> Study:
    """The study whose canonical form is `value`.

    Raises:
        StudyError: `value` is no study, or another spelling of one, so that its hash would not be the study's.
    """
    study = parse_study(value)
    if canonical_json(study.to_json()) != canonical_json(value):
        raise StudyError((), "is not in canonical form: send what `Study.to_json` gives")
    return study


def decode_study(data: bytes) -> Study:
    """The study whose canonical form is `data`, bytes from the other side; their hash is the study's.

    Raises:
        Malformed: longer than `LARGEST_STUDY`, or no canonical JSON.
        StudyError: JSON, but no study in canonical form.
    """
    if len(data) > LARGEST_STUDY:
        raise Malformed(what=f"study: longer than {LARGEST_STUDY} bytes")
    return parse_canonical(read_canonical(data, what="study"))


def _space(section: Section) -> tuple[SearchSpace, tuple[Constraint, ...], Configuration | None]:
    """The space with its own constraints, the constraints on outcomes, and the reference.

    That is the declared one, or where the space has no usual one that meets its constraints, one that was found.
    """
    search = Section(section.take("search"), ("search",), ("tune", "deploy", "constraints"))
    parts = {
        part: parse_parameters(search.take(part), search.at(part)) if part in search else ()
        for part in ("tune", "deploy")
    }
    names = {parameter.name for parameters in parts.values() for parameter in parameters}
    own, outcomes = list(_constraints(search)), list[Placed]()
    for entry in _constraints(section):
        (own if names.issuperset(entry.constraint.names) else outcomes).append(entry)
    try:
        space = SearchSpace(parts["tune"], parts["deploy"], tuple(entry.constraint for entry in own))
        check_together(space, [*own, *outcomes])
        reference = _reference(section, space, own)
    except ConstraintError as error:
        raise StudyError(("constraints",), error.message) from None
    except ImpossibleSpace as error:
        raise StudyError(_place_of(error.parameter, search), error.reason, nearest=error.nearest) from None
    return space, tuple(entry.constraint for entry in outcomes), reference


def _place_of(name: str, search: Section) -> Place:
    """Where the parameter `name` is declared."""
    for part in ("tune", "deploy"):
        entries = search.take(part) if part in search else ()
        if isinstance(entries, Mapping) and name in entries:
            return ("search", part, name)
        for number, entry in enumerate(() if isinstance(entries, Mapping) else as_list(entries, search.at(part))):
            if isinstance(entry, Mapping) and entry.get("name") == name:
                return ("search", part, number)
    return ("search", "constraints")


def _constraints(section: Section) -> tuple[Placed, ...]:
    items, place = section.items("constraints"), section.at("constraints")
    if len(items) > MOST_CONSTRAINTS:
        raise StudyError(place, f"at most {MOST_CONSTRAINTS} constraints, not {len(items)}")
    return tuple(_constraint(item, (*place, number)) for number, item in enumerate(items))


def _constraint(item: object, place: Place) -> Placed:
    try:
        return Placed(Constraint(as_text(item, place)), place)
    except ConstraintError as error:
        raise StudyError(place, error.reason) from None


def _weights(section: Section) -> dict[str, float]:
    entries = as_mapping(section.take("weighted"), ("weighted",))
    return {metric: as_number(weight, ("weighted", metric)) for metric, weight in entries.items()}


def _objectives(section: Section, weighted: Weighted | None) -> tuple[Objective, ...]:
    if "objectives" not in section:
        if weighted is None:
            raise StudyError((), "one of the keys 'objectives' and 'weighted' is missing")
        return tuple(Objective(metric, usual_direction(metric)) for metric in weighted.weights)
    value, place = section.take("objectives"), section.at("objectives")
    if isinstance(value, Mapping):
        entries = as_mapping(value, place).items()
        return tuple(Objective(metric, _direction(word, (*place, metric))) for metric, word in entries)
    return tuple(_objective(item, (*place, number)) for number, item in enumerate(as_list(value, place)))


def _objective(item: object, place: Place) -> Objective:
    section = Section(item, place, ("metric", "direction"))
    return Objective(section.text("metric"), _direction(section.take("direction"), section.at("direction")))


def _direction(word: object, place: Place) -> Direction:
    return Direction(one_of(word, DIRECTIONS, place))


def _reference(section: Section, space: SearchSpace, constraints: Sequence[Placed]) -> Configuration | None:
    """The declared reference; parameters that it leaves out take their usual reference value."""
    if "reference" in section:
        return parse_configuration(section.take("reference"), ("reference",), space, else_as={})
    try:
        space.reference()
    except ImpossibleSpace:
        return find_configuration(space, constraints)
    return None
