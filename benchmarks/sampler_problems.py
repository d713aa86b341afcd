"""Problems with several objectives, all minimised, that samplers are compared on.

Real ones come from botorch.test_functions with their reference points; `Forks` is our own, with categories, integers
and conditions, and a front in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from botorch.test_functions import multi_objective as botorch_problems

from autoglm_core.configuration import Value, Values
from autoglm_core.space import CategoricalParameter, Condition, FloatParameter, IntParameter, Scale, SearchSpace


@dataclass(frozen=True)
class Problem:
    """`evaluate` gives one figure per entry of `reference`; `real`: the space is a box of real numbers.

    `maximum`: the hypervolume of the whole front, where it is known.
    """

    name: str
    space: SearchSpace
    reference: tuple[float, ...]
    evaluate: Callable[[Values], tuple[float, ...]]
    real: bool
    maximum: float | None


def _botorch(name: str, function: botorch_problems.MultiObjectiveTestProblem, maximum: float | None) -> Problem:
    low, high = function.bounds.tolist()
    names = [f"x{index}" for index in range(function.dim)]

    def evaluate(values: Values) -> tuple[float, ...]:
        point = torch.tensor([[values[key] for key in names]], dtype=torch.double)
        return tuple(function(point)[0].tolist())

    return Problem(
        name=name,
        space=SearchSpace(tune=tuple(map(FloatParameter, names, low, high))),
        reference=tuple(function.ref_point.tolist()),
        evaluate=evaluate,
        real=True,
        maximum=maximum,
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
    trade = _number(values["trade"])
    lost = 0.05 * abs(math.log2(_number(values["width"]) / 64))
    match values["family"]:
        case "deep":
            lost += max(0.0, trade - 0.4) + 0.02 * (_number(values["depth"]) - 7) ** 2
        case "low-rank":
            lost += max(0.0, 0.4 - trade) + 0.1 * math.log2(_number(values["rank"]) / 16) ** 2
            lost += 0.2 * (math.log10(_number(values["alpha"])) + 1.5) ** 2
        case _:
            lost += 0.2
    return trade + lost, 1 - math.sqrt(trade) + lost


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


FORKS = Problem(
    name="Forks",
    space=_forks_space(),
    reference=(1.2, 1.2),
    evaluate=_forks,
    real=False,
    # Below 1.2 and right of the front f2 = 1 - sqrt(f1): the integral of 0.2 + sqrt(f1) to 1, and 0.2 * 1.2.
    maximum=0.2 + 2 / 3 + 0.24,
)

PROBLEMS: Mapping[str, Problem] = {
    problem.name: problem
    for problem in (
        _botorch("BraninCurrin", botorch_problems.BraninCurrin(), 59.36),
        _botorch("ZDT1", botorch_problems.ZDT1(dim=6), 120.67),
        _botorch("ZDT3", botorch_problems.ZDT3(dim=6), None),
        _botorch("DTLZ2", botorch_problems.DTLZ2(dim=6, num_objectives=2), 0.4246),
        _botorch("VehicleSafety", botorch_problems.VehicleSafety(), 246.8),
        _botorch("Penicillin", botorch_problems.Penicillin(), 2.183e6),
        _botorch("CarSideImpact", botorch_problems.CarSideImpact(), 484.7),
        FORKS,
    )
}
