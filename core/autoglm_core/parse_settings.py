"""The small parts of a declared study. Model and budget must be there, the others have defaults."""

from __future__ import annotations

import re
from datetime import timedelta

from autoglm_core.canonical import Json
from autoglm_core.configuration import Value
from autoglm_core.section import Section, as_mapping, as_scalar
from autoglm_core.study import LOW_BIT_CLIP, Budget, Protection, SamplerSpec, SplitSpec
from autoglm_core.study_error import Place, StudyError

WALL = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|m|min|h|d)")
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_model(section: Section) -> tuple[str, Json]:
    """Name and options: `model: mlp` or `model: {name: mlp, options: {...}}`."""
    value = section.take("model")
    if isinstance(value, str):
        return value, {}
    model = Section(value, ("model",), ("name", "options"))
    options = as_mapping(model.take("options"), model.at("options")) if "options" in model else {}
    return model.text("name"), {key: _option(item, (*model.at("options"), key)) for key, item in options.items()}


def _option(value: object, place: Place) -> Value | list[Value]:
    """A model's option: a scalar or a list of scalars."""
    if isinstance(value, list | tuple):
        return [as_scalar(item, (*place, number)) for number, item in enumerate(value)]
    return as_scalar(value, place)


def parse_budget(section: Section) -> Budget:
    """`{trials, wall}`."""
    budget = Section(section.take("budget"), ("budget",), ("trials", "wall"))
    return Budget(trials=budget.integer("trials"), wall=_wall(budget) if "wall" in budget else None)


def _wall(section: Section) -> timedelta:
    value, place = section.take("wall"), section.at("wall")
    match = WALL.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise StudyError(place, "must be a time with its unit, such as 150s, 30min, 2h or 1d")
    return timedelta(seconds=float(match[1]) * SECONDS[match[2]])


def parse_sampler(section: Section) -> SamplerSpec:
    """`sampler: gp` or `{name, seed, variants, batch}`."""
    if "sampler" not in section:
        return SamplerSpec()
    value, default = section.take("sampler"), SamplerSpec()
    if isinstance(value, str):
        return SamplerSpec(name=value)
    sampler = Section(value, ("sampler",), ("name", "seed", "variants", "batch"))
    return SamplerSpec(
        name=sampler.text("name", default.name),
        seed=sampler.integer("seed", default.seed),
        variants=sampler.integer("variants", default.variants),
        batch=sampler.integer("batch", default.batch),
    )


def parse_protection(section: Section) -> Protection:
    """`{secure_sum: required | off, minimum_cohort, ring_bits, clip, random_k}`."""
    default = Protection()
    if "protection" not in section:
        return default
    keys = ("secure_sum", "minimum_cohort", "ring_bits", "clip", "random_k")
    protection = Section(section.take("protection"), ("protection",), keys)
    ring_bits = protection.integer("ring_bits", default.ring_bits)
    return Protection(
        secure_sum=protection.word("secure_sum", ("required", "off"), "required") == "required",
        minimum_cohort=protection.integer("minimum_cohort", default.minimum_cohort),
        ring_bits=ring_bits,
        clip=protection.number("clip", default.clip if ring_bits == default.ring_bits else LOW_BIT_CLIP),
        random_k=protection.number("random_k", default.random_k),
    )


def parse_split(section: Section) -> SplitSpec:
    """`{seed, train, validation, test}`."""
    default = SplitSpec()
    if "split" not in section:
        return default
    split = Section(section.take("split"), ("split",), ("seed", "train", "validation", "test"))
    return SplitSpec(
        seed=split.integer("seed", default.seed),
        train=split.number("train", default.train),
        validation=split.number("validation", default.validation),
        test=split.number("test", default.test),
    )
