"""A space of every kind, over the parameters that the figures of search_trials.py follow from; who can search it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoglm_coordinator.sampler.api import UnsuitedSampler
from autoglm_coordinator.sampler.registry import SAMPLERS, check_sampler
from autoglm_core.space import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Scale,
    SearchSpace,
    TiedParameter,
)
from autoglm_core.study import Study
from support.search_trials import quickstart_space, searched_study

RATE = FloatParameter("learning_rate", 1e-3, 1e-1, Scale.LOG)
PRUNE = FloatParameter("prune", 0.0, 0.6)
QUANTIZATION = CategoricalParameter("quantization", ("none", "int8-dynamic", "int8-static"))
AGGREGATOR = CategoricalParameter("aggregator", ("fedavg", "fedadam", "fedyogi"))
WIDTH = CategoricalParameter("width", (16, 32, 64))


def _nested() -> SearchSpace:
    adaptive = (Condition("aggregator", ("fedadam", "fedyogi")),)
    decayed = (Condition("decay", (True,)), Condition("aggregator", ("fedyogi",)))
    static = (Condition("quantization", ("int8-static",)),)
    return SearchSpace(
        tune=(
            RATE,
            AGGREGATOR,
            CategoricalParameter("decay", (True, False), adaptive),
            FloatParameter("decay_rate", 1e-3, 1.0, Scale.LOG, decayed),
        ),
        # A condition may reach from `deploy` into `tune`.
        deploy=(
            QUANTIZATION,
            IntParameter("calibration_rows", 64, 2048, Scale.LOG, static),
            FloatParameter("prune", 0.0, 0.6, Scale.LINEAR, adaptive),
        ),
    )


SUM = {"accuracy": 0.6, "latency_p95_ms": 0.3, "energy_mj": 0.1}

KINDS: Mapping[str, SearchSpace] = {
    "floats": SearchSpace(tune=(FloatParameter("momentum", 0.0, 0.99),), deploy=(PRUNE,)),
    "log floats": SearchSpace(tune=(RATE, FloatParameter("weight_decay", 1e-6, 1e-1, Scale.LOG))),
    "integers": SearchSpace(tune=(IntParameter("local_epochs", 1, 9), IntParameter("width", 8, 512, Scale.LOG))),
    "ordered categories": SearchSpace(
        tune=(WIDTH, CategoricalParameter("batch_size", (8, 16, 32, 64))),
        deploy=(CategoricalParameter("threads", (1, 2, 4)),),
    ),
    "unordered categories": SearchSpace(
        tune=(AGGREGATOR, CategoricalParameter("shuffle", (True, False)), CategoricalParameter("init", ("a", 1, 1.0))),
        deploy=(QUANTIZATION,),
    ),
    "conditions": quickstart_space(),
    "nested conditions": _nested(),
    "ties": SearchSpace(
        tune=(RATE, WIDTH, TiedParameter("hidden", "width"), AGGREGATOR),
        deploy=(PRUNE, TiedParameter("export_width", "hidden"), TiedParameter("prune_head", "prune")),
    ),
    "constraints": quickstart_space(constraints=("width * local_epochs <= 128", "prune <= 0.4 or threads == 1")),
    "deploy alone": SearchSpace(deploy=(PRUNE, QUANTIZATION)),
    "parameters of one value": SearchSpace(
        tune=(IntParameter("width", 32, 32), RATE),
        deploy=(CategoricalParameter("quantization", ("none",)), PRUNE),
    ),
}


def study_over(kind: str, sampler: str) -> Study:
    """A study over the space of that kind, with as many objectives as the sampler takes."""
    return searched_study(sampler, space=KINDS[kind], weighted=one_sum(sampler))


def study_for(sampler: str, *, space: SearchSpace | None = None, seed: int = 7, variants: int = 2) -> Study:
    """The quickstart's search, or another `space`, with what `sampler` cannot take left out."""
    least = numbers() if sampler == "cmaes" else quickstart_space(conditions=sampler != "gp")
    return searched_study(sampler, space=space or least, weighted=one_sum(sampler), seed=seed, variants=variants)


def one_sum(sampler: str) -> Mapping[str, float] | None:
    """`cmaes` follows one figure."""
    return SUM if sampler == "cmaes" else None


def numbers() -> SearchSpace:
    """The quickstart's parameters that are numbers."""
    return SearchSpace(
        tune=(RATE, WIDTH, IntParameter("local_epochs", 1, 3)),
        deploy=(PRUNE, CategoricalParameter("threads", (1, 2))),
    )


def twelve() -> SearchSpace:
    """Twelve configurations of numbers alone, which every sampler takes: three tunes with four deploy parts each."""
    return SearchSpace(
        tune=(WIDTH,), deploy=(CategoricalParameter("threads", (1, 2)), CategoricalParameter("prune", (0.0, 0.5)))
    )


def suited(study: Study) -> bool:
    """Whether the study's sampler takes it; one that does not must say so at submit and name one that does."""
    try:
        check_sampler(study)
    except UnsuitedSampler as refusal:
        check_sampler(with_sampler(study, str(refusal.data["use"])))
        return False
    return True


def with_sampler(study: Study, name: str) -> Study:
    """The same study with another sampler."""
    return replace(study, sampler=replace(study.sampler, name=name))


EVERY = [(kind, name) for kind in KINDS for name in SAMPLERS]
SUITED = [(kind, name) for kind, name in EVERY if suited(study_over(kind, name))]
