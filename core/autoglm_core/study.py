"""A study: everything that its sites approve and its trials depend on, in one immutable value with one hash.

The canonical form (`to_json`) is a fully spelled case of what users write, so one parser reads both; `Study.from_json`
takes the canonical form alone, which makes the hash of the received bytes and the hash of the parsed study the same.
What `simulate` needs is no part of it: it does not concern a real site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from math import isclose, isfinite

from autoglm_core.budget import Budget
from autoglm_core.canonical import Json, json_digest
from autoglm_core.configuration import Configuration
from autoglm_core.constraint import Constraint
from autoglm_core.objective import Objective, Weighted
from autoglm_core.schema import Schema
from autoglm_core.space import SearchSpace
from autoglm_core.study_error import OutsideSpace, StudyError

__all__ = ["Budget", "Protection", "SamplerSpec", "SplitSpec", "Study", "StudyError"]

STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
STUDY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,47}-[0-9a-f]{6}")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LARGEST_SEED = 2**53
MOST_ROUNDS = 100_000
REDUCTION = 3
"""Of the TUNEs at a rung, one in so many goes on at once, and the next rung is as much farther."""
MOST_EARLIER = 8
MOST_BELIEVED = 100


@dataclass(frozen=True)
class SamplerSpec:
    """Which sampler; `seed` of all that is random in the study.

    `variants`: deploy configurations suggested for each tune, None (`auto`) where the sampler chooses. `batch`: tunes
    pending together. `believed`: what the user expects much of, suggested first, in this order. `warm_start`: ids of
    earlier studies to learn from.
    """

    name: str = "bayes"
    seed: int = 0
    variants: int | None = None
    batch: int = 4
    believed: tuple[Configuration, ...] = ()
    warm_start: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _word(self.name, ("sampler", "name"))
        _within(self.seed, 0, LARGEST_SEED, ("sampler", "seed"))
        if self.variants is not None:
            _within(self.variants, 1, 64, ("sampler", "variants"))
        _within(self.batch, 1, 64, ("sampler", "batch"))
        _at_most(len(self.believed), MOST_BELIEVED, ("sampler", "believed"))
        _at_most(len(self.warm_start), MOST_EARLIER, ("sampler", "warm_start"))
        _unique(self.warm_start, ("sampler", "warm_start"))
        for position, study_id in enumerate(self.warm_start):
            if not STUDY_ID.fullmatch(study_id):
                raise StudyError(("sampler", "warm_start", position), "must be a study's id, such as heart-3fa1c2")


LOW_BIT_CLIP = 1.0
"""The clip of a study's file that asks for 16 bits and names none: a sixteenth of the usual one. A level is as much
finer, and ten times the largest weighted delta of the examples still fits."""


@dataclass(frozen=True)
class Protection:
    """What shields the sites. `secure_sum` False means that the coordinator is trusted with each update.

    `minimum_cohort`: fewest survivors of a sum. `ring_bits`: 16 or 32 per weight. `clip`: bound of a weighted delta, in
    the model's unit. `random_k`: share of the parameters that a round's updates carry, the same ones at every site.
    """

    secure_sum: bool = True
    minimum_cohort: int = 3
    ring_bits: int = 32
    clip: float = 16.0
    random_k: float = 1.0

    def __post_init__(self) -> None:
        _within(self.minimum_cohort, 3 if self.secure_sum else 1, 10_000, ("protection", "minimum_cohort"))
        if self.ring_bits not in (16, 32):
            raise StudyError(("protection", "ring_bits"), f"must be 16 or 32, not {self.ring_bits}")
        if not (isfinite(self.clip) and self.clip > 0):
            raise StudyError(("protection", "clip"), "must be above 0")
        if not 0 < self.random_k <= 1:
            raise StudyError(("protection", "random_k"), "must lie above 0 and at most at 1")


@dataclass(frozen=True)
class SplitSpec:
    """Shares of each site's rows; together 1. `seed` keys the hash that assigns rows."""

    seed: int = 0
    train: float = 0.6
    validation: float = 0.2
    test: float = 0.2

    def __post_init__(self) -> None:
        _within(self.seed, 0, LARGEST_SEED, ("split", "seed"))
        for name in ("train", "validation", "test"):
            share = getattr(self, name)
            if not (isfinite(share) and 0 < share < 1):
                raise StudyError(("split", name), f"must lie between 0 and 1, not {share:g}")
        if not isclose(self.train + self.validation + self.test, 1.0, abs_tol=1e-6):
            raise StudyError(("split",), f"the shares must sum to 1, not {self.train + self.validation + self.test:g}")


@dataclass(frozen=True)
class Study:
    """A declared study.

    Attributes:
        name: Lower-case letters, digits and -.
        workload: Name of the kind of training; `workload_version` is the version that the study was declared for.
        data: Name of the dataset, which each site maps to its own files.
        model: Name of the model within the workload; `model_options` are the model's own, never changed after
            construction.
        objectives: What is optimized; for a weighted sum, its metrics with their directions.
        weighted: Weights of one sum of all objectives, or None for a Pareto front.
        constraints: On outcomes: each names at least one metric (and parameters, if it likes). Those on configurations
            alone
            are the space's.
        rounds: Rounds of a full TUNE.
        rungs: Rounds after which the scheduler decides, ascending; the last is `rounds`. Where none are given they
            follow from `rounds` and the budget; `rounds` alone means that no TUNE is interrupted.
        device_classes: Where latency, energy and memory are measured.
        reference: Declared reference configuration, if any; see `reference_configuration`.
        public_data: Whether devices may be given validation rows.
    """

    name: str
    workload: str
    data: str
    model: str
    schema: Schema
    space: SearchSpace
    objectives: tuple[Objective, ...]
    rounds: int
    budget: Budget
    workload_version: int
    model_options: Json = field(default_factory=dict)
    weighted: Weighted | None = None
    constraints: tuple[Constraint, ...] = ()
    rungs: tuple[int, ...] = ()
    sampler: SamplerSpec = field(default_factory=SamplerSpec)
    protection: Protection = field(default_factory=Protection)
    split: SplitSpec = field(default_factory=SplitSpec)
    device_classes: tuple[str, ...] = ()
    reference: Configuration | None = None
    public_data: bool = False

    def __post_init__(self) -> None:
        if not STUDY_NAME.fullmatch(self.name):
            raise StudyError(("name",), "must be 1 to 48 lower-case letters, digits and -, and start with no -")
        for key in ("workload", "data", "model"):
            _word(getattr(self, key), (key,))
        for position, device_class in enumerate(self.device_classes):
            _word(device_class, ("device_classes", position))
        _unique(self.device_classes, ("device_classes",))
        _within(self.workload_version, 1, LARGEST_SEED, ("workload_version",))
        _within(self.rounds, 1, MOST_ROUNDS, ("rounds",))
        object.__setattr__(self, "rungs", _rungs(self.rungs, self.rounds, self.budget.trials))
        _check_objectives(self.objectives, self.weighted)
        if self.reference is not None:
            _check_inside(self.space, self.reference, ("reference",))
        _check_believed(self.sampler.believed, self.space)

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def seed(self) -> int:
        """The seed that initial weights and suggestions derive from."""
        return self.sampler.seed

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form: what an administrator approves."""
        return json_digest(self.to_json())

    @cached_property
    def reference_configuration(self) -> Configuration:
        """The declared reference, else the space's."""
        return self.reference or self.space.reference()

    @property
    def metrics(self) -> frozenset[str]:
        """Every metric that an objective or a constraint on outcomes names."""
        named = {name for constraint in self.constraints for name in constraint.names} - self.space.names
        return frozenset(named | {objective.metric for objective in self.objectives})

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "name": self.name,
            "workload": self.workload,
            "workload_version": self.workload_version,
            "data": self.data,
            "model": {"name": self.model, "options": self.model_options},
            "schema": self.schema.to_json(),
            "search": self.space.to_json(),
            "objectives": [{"metric": item.metric, "direction": str(item.direction)} for item in self.objectives],
            "weighted": None if self.weighted is None else dict(self.weighted.weights),
            "constraints": [constraint.text for constraint in self.constraints],
            "rounds": self.rounds,
            "rungs": list(self.rungs),
            "budget": self.budget.to_json(),
            "sampler": {
                "name": self.sampler.name,
                "seed": self.sampler.seed,
                "variants": "auto" if self.sampler.variants is None else self.sampler.variants,
                "batch": self.sampler.batch,
                "believed": [configuration.to_json() for configuration in self.sampler.believed],
                "warm_start": list(self.sampler.warm_start),
            },
            "protection": {
                "secure_sum": "required" if self.protection.secure_sum else "off",
                "minimum_cohort": self.protection.minimum_cohort,
                "ring_bits": self.protection.ring_bits,
                "clip": self.protection.clip,
                "random_k": self.protection.random_k,
            },
            "split": {
                "seed": self.split.seed,
                "train": self.split.train,
                "validation": self.split.validation,
                "test": self.split.test,
            },
            "device_classes": list(self.device_classes),
            "reference": None if self.reference is None else self.reference.to_json(),
            "public_data": self.public_data,
        }

    @classmethod
    def from_json(cls, value: object) -> Study:
        """Inverse of `to_json`, for a hostile `value`.

        Raises:
            StudyError: `value` is no study, or not in canonical form.
        """
        # The parser needs this module for its types; a study needs the parser in this one method.
        from autoglm_core.parse_study import parse_canonical

        return parse_canonical(value)


def _rungs(rungs: tuple[int, ...], rounds: int, trials: int) -> tuple[int, ...]:
    """`rungs` with the last round as the last rung; where none are given, those that follow from the budget."""
    for position, rung in enumerate(rungs):
        _within(rung, rungs[position - 1] + 1 if position else 1, rounds, ("rungs", position))
    if not rungs:
        return _usual_rungs(rounds, trials)
    return rungs if rungs[-1] == rounds else (*rungs, rounds)


def _usual_rungs(rounds: int, trials: int) -> tuple[int, ...]:
    """From `rounds` down, each a third of the next, while a third of the trials fills a rung: 12 have two below."""
    rungs, left = [rounds], trials
    while left >= REDUCTION and rungs[0] > 1:
        rungs.insert(0, max(1, round(rungs[0] / REDUCTION)))
        left //= REDUCTION
    return tuple(rungs)


def _check_objectives(objectives: tuple[Objective, ...], weighted: Weighted | None) -> None:
    if not objectives:
        raise StudyError(("objectives",), "a study needs at least one objective")
    metrics = [objective.metric for objective in objectives]
    _unique(metrics, ("objectives",))
    if weighted is not None and set(metrics) != set(weighted.weights):
        raise StudyError(("weighted",), "must weigh exactly the metrics of `objectives`; leave `objectives` out")


def _check_believed(believed: tuple[Configuration, ...], space: SearchSpace) -> None:
    seen: dict[str, int] = {}
    for position, configuration in enumerate(believed):
        place = ("sampler", "believed", position)
        _check_inside(space, configuration, place)
        first = seen.setdefault(configuration.key, position)
        if first != position:
            raise StudyError(place, f"is the same configuration as sampler.believed[{first}]")


def _check_inside(space: SearchSpace, configuration: Configuration, place: tuple[str | int, ...]) -> None:
    try:
        space.check(configuration)
    except OutsideSpace as error:
        raise StudyError(place, error.message) from None


def _at_most(count: int, most: int, place: tuple[str | int, ...]) -> None:
    if count > most:
        raise StudyError(place, f"at most {most}, not {count}")


def _within(value: int, low: int, high: int, place: tuple[str | int, ...]) -> None:
    if not low <= value <= high:
        raise StudyError(place, f"must lie between {low} and {high}, not {value}")


def _word(text: str, place: tuple[str | int, ...]) -> None:
    if not WORD.fullmatch(text):
        raise StudyError(place, "must be 1 to 64 letters, digits, dots, _ and -, and start with a letter or digit")


def _unique(names: tuple[str, ...] | list[str], place: tuple[str | int, ...]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise StudyError(place, f"{name!r} stands there twice")
        seen.add(name)
