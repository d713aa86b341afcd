"""The small parts of a declared study. Model and budget must be there, the others have defaults."""

from __future__ import annotations

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Value
from autoglm_core.parse_configuration import parse_configuration
from autoglm_core.section import Section, as_mapping, as_scalar
from autoglm_core.space import SearchSpace
from autoglm_core.study import LOW_BIT_CLIP, MOST_BELIEVED, Protection, SamplerSpec, SplitSpec
from autoglm_core.study_error import Place, StudyError, nearest


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


def parse_sampler(section: Section, space: SearchSpace, reference: Configuration | None) -> SamplerSpec:
    """`sampler: gp` or `{name, seed, variants, batch, believed, warm_start}`.

    `reference`: the declared one; a configuration that is believed in and partial is filled from it, else the space's.
    """
    if "sampler" not in section:
        return SamplerSpec()
    value, default = section.take("sampler"), SamplerSpec()
    if isinstance(value, str):
        return SamplerSpec(name=value)
    sampler = Section(value, ("sampler",), ("name", "seed", "variants", "batch", "believed", "warm_start"))
    return SamplerSpec(
        name=sampler.text("name", default.name),
        seed=sampler.integer("seed", default.seed),
        variants=_variants(sampler) if "variants" in sampler else default.variants,
        batch=sampler.integer("batch", default.batch),
        believed=_believed(sampler, space, reference),
        warm_start=sampler.texts("warm_start"),
    )


def _believed(sampler: Section, space: SearchSpace, reference: Configuration | None) -> tuple[Configuration, ...]:
    items, place = sampler.items("believed"), sampler.at("believed")
    if not items:
        return ()
    if len(items) > MOST_BELIEVED:
        raise StudyError(place, f"at most {MOST_BELIEVED}, not {len(items)}")
    usual = reference or space.reference()
    else_as = {**usual.tune, **usual.deploy}
    return tuple(
        parse_configuration(item, (*place, number), space, else_as=else_as) for number, item in enumerate(items)
    )


def _variants(section: Section) -> int | None:
    value = section.take("variants")
    if isinstance(value, str) and value != "auto":
        raise StudyError(section.at("variants"), "must be a whole number or auto", nearest=nearest(value, ("auto",)))
    return None if value == "auto" else section.integer("variants")


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
