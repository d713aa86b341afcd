"""Problems of our own over spaces that are no box: categories, integers, ratios, conditions and ties.

All have a front that is known, because what can go wrong is a sum of losses of which each can be brought to 0.
"""

from __future__ import annotations

import math

import numpy as np
from sampler_problem import Problem, number

from autoglm_coordinator.sampler.bayes.boxes import hypervolume
from autoglm_core.configuration import Values
from autoglm_core.space import (
    CategoricalParameter,
    Condition,
    FloatParameter,
    IntParameter,
    Scale,
    SearchSpace,
    TiedParameter,
)


def _forks_space() -> SearchSpace:
    deep, low_rank = (Condition("family", ("deep",)),), (Condition("family", ("low-rank",)),)
    return SearchSpace(
        tune=(
            FloatParameter("trade", 0.0, 1.0),
            CategoricalParameter("family", ("flat", "deep", "low-rank")),
            IntParameter("depth", 1, 12, Scale.LINEAR, deep),
            IntParameter("rank", 1, 64, Scale.LOG, low_rank),
            FloatParameter("alpha", 1e-3, 1.0, Scale.LOG, low_rank),
            CategoricalParameter("width", (16, 32, 64, 128)),
        )
    )


def _forks(values: Values) -> tuple[float, ...]:
    trade = number(values["trade"])
    lost = 0.05 * abs(math.log2(number(values["width"]) / 64))
    match values["family"]:
        case "deep":
            lost += max(0.0, trade - 0.4) + 0.02 * (number(values["depth"]) - 7) ** 2
        case "low-rank":
            lost += max(0.0, 0.4 - trade) + 0.1 * math.log2(number(values["rank"]) / 16) ** 2
            lost += 0.2 * (math.log10(number(values["alpha"])) + 1.5) ** 2
        case _:
            lost += 0.2
    return trade + lost, 1 - math.sqrt(trade) + lost


FORKS = Problem(
    name="Forks",
    space=_forks_space(),
    reference=(1.2, 1.2),
    evaluate=_forks,
    real=False,
    # Below 1.2 and right of the front f2 = 1 - sqrt(f1): the integral of 0.2 + sqrt(f1) to 1, and 0.2 * 1.2.
    maximum=0.2 + 2 / 3 + 0.24,
)

SOLVENTS = ("acid", "ether", "oil", "water")
VESSELS = {"glass": True, "steel": False, "clay": True, "copper": False, "wood": False}
"""Whether each should be sealed."""


def _recipe_space() -> SearchSpace:
    return SearchSpace(
        tune=(
            IntParameter("step", 0, 7),
            FloatParameter("rest", 0.0, 1.0),
            CategoricalParameter("solvent", SOLVENTS),
            CategoricalParameter("vessel", tuple(VESSELS)),
            CategoricalParameter("sealed", (False, True)),
            FloatParameter("dose", 1e-4, 1.0, Scale.LOG),
            IntParameter("turns", 1, 64, Scale.LOG),
        )
    )


def _recipe(values: Values) -> tuple[float, ...]:
    """Each solvent serves a quarter of the front, with a dose and a number of turns of its own."""
    trade = (number(values["step"]) + number(values["rest"])) / 8
    solvent = SOLVENTS.index(str(values["solvent"]))
    quarter = (3 * solvent + 1) % 4  # not in the order of the choices
    lost = 0.8 * max(0.0, quarter / 4 - trade, trade - (quarter + 1) / 4)
    lost += 0.05 * (math.log10(number(values["dose"])) + 3 - 0.6 * solvent) ** 2
    lost += 0.04 * (math.log2(number(values["turns"])) - 1 - solvent) ** 2
    lost += 0.15 * (values["sealed"] != VESSELS[str(values["vessel"])])
    lost += 0.1 * (values["vessel"] in ("clay", "wood"))
    return trade + lost, 1 - trade**2 + lost


RECIPE = Problem(
    name="Recipe",
    space=_recipe_space(),
    reference=(1.2, 1.2),
    evaluate=_recipe,
    real=False,
    # As above, under the concave front f2 = 1 - f1^2.
    maximum=0.2 + 1 / 3 + 0.24,
)

ADAPTIVE = {"fedadam": 0.03, "fedyogi": 0.1}
"""Best server learning rate of each."""
SPEED = {"none": 1.0, "int8-dynamic": 0.75, "int8-static": 0.5}
WIDTHS, BATCHES, PRUNED, THREADS = (8, 16, 32, 64, 128), (16, 32, 64), (0, 60), (1, 2, 4)


def _federation_space() -> SearchSpace:
    adaptive, static = (Condition("aggregator", tuple(ADAPTIVE)),), (Condition("quantization", ("int8-static",)),)
    proximal = (Condition("aggregator", ("fedprox",)),)
    return SearchSpace(
        tune=(
            FloatParameter("learning_rate", 1e-3, 1e-1, Scale.LOG),
            IntParameter("local_epochs", 1, 6),
            CategoricalParameter("batch_size", BATCHES),
            CategoricalParameter("width", WIDTHS),
            CategoricalParameter("aggregator", ("fedavg", "fedprox", *ADAPTIVE)),
            FloatParameter("server_learning_rate", 1e-3, 1.0, Scale.LOG, adaptive),
            FloatParameter("proximal_mu", 1e-4, 1.0, Scale.LOG, proximal),
        ),
        deploy=(
            IntParameter("prune_percent", *PRUNED),
            CategoricalParameter("quantization", tuple(SPEED)),
            FloatParameter("clipped_share", 1e-5, 1e-1, Scale.LOG, static),
            CategoricalParameter("threads", THREADS),
            TiedParameter("export_batch", "batch_size"),
        ),
    )


def _training_loss(values: Values) -> float:
    """0 for fedyogi at its best; the other aggregators stay above."""
    batch, epochs = number(values["batch_size"]), number(values["local_epochs"])
    lost = 0.08 * math.log10(number(values["learning_rate"]) / 0.01 * 32 / batch) ** 2
    match aggregator := str(values["aggregator"]):
        case "fedavg":
            return lost + 0.03 + 0.008 * (epochs - 1) ** 2
        case "fedprox":
            return (
                lost + 0.015 + 0.02 * math.log10(number(values["proximal_mu"]) / 0.01) ** 2 + 0.004 * (epochs - 4) ** 2
            )
        case _:
            rate = math.log10(number(values["server_learning_rate"]) / ADAPTIVE[aggregator])
            return lost + 0.01 * (aggregator == "fedadam") + 0.05 * rate**2 + 0.008 * (epochs - 3) ** 2


def _deployed(values: Values) -> tuple[float, float]:
    """Error of a model that is trained at its best and calibrated at its best; latency in ms per row."""
    kept, batch = 1 - number(values["prune_percent"]) / 100, number(values["export_batch"])
    wide, threads = number(values["width"]), number(values["threads"])
    error = 0.02 + 0.16 * (8 / wide) ** 0.7 + 0.35 * (1 - kept) ** 3 + 0.012 * math.log2(batch / 16)
    error += {"none": 0.0, "int8-dynamic": 0.006, "int8-static": 0.012 + 0.16 / wide}[str(values["quantization"])]
    work = 0.02 * (wide / 8) ** 1.5 * kept**1.5 * SPEED[str(values["quantization"])] * (16 / batch) ** 0.25
    return error, 0.01 + work * threads**-0.8 + 0.012 * (threads - 1)


def _federation(values: Values) -> tuple[float, ...]:
    error, latency = _deployed(values)
    lost = _training_loss(values)
    if "clipped_share" in values:
        lost += 0.02 * (math.log10(number(values["clipped_share"])) + 3) ** 2
    return error + lost, latency


FEDERATION_REFERENCE = (0.25, 0.3)


def _federation_maximum() -> float:
    """By enumeration of what is trained and calibrated at its best, which costs no latency."""
    space = SearchSpace(
        tune=(CategoricalParameter("batch_size", BATCHES), CategoricalParameter("width", WIDTHS)),
        deploy=tuple(parameter for parameter in _federation_space().deploy if parameter.name != "clipped_share"),
    )
    points = [_deployed({**entry.tune, **entry.deploy}) for entry in space.grid()]
    return hypervolume(-np.array(points), -np.array(FEDERATION_REFERENCE))


FEDERATION = Problem(
    name="Federation",
    space=_federation_space(),
    reference=FEDERATION_REFERENCE,
    evaluate=_federation,
    real=False,
    maximum=_federation_maximum(),
)
