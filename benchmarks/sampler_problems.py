"""Problems with several objectives, all minimised, that samplers are compared on.

Real ones come from botorch.test_functions with their reference points, mixed ones from sampler_mixed_problems.py, and
`Digits` is a table of points that were trained and measured.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from botorch.test_functions import multi_objective as botorch_problems
from sampler_digits import digits
from sampler_mixed_problems import FEDERATION, FORKS, RECIPE
from sampler_problem import Problem

from autoglm_core.configuration import Values
from autoglm_core.space import FloatParameter, SearchSpace


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


PROBLEMS: Mapping[str, Problem] = {
    problem.name: problem
    for problem in (
        _botorch("BraninCurrin", botorch_problems.BraninCurrin(), 59.36),
        _botorch("ZDT1", botorch_problems.ZDT1(dim=6), 120.67),
        _botorch("ZDT3", botorch_problems.ZDT3(dim=6), 128.778),
        _botorch("DTLZ2", botorch_problems.DTLZ2(dim=6, num_objectives=2), 0.4246),
        _botorch("VehicleSafety", botorch_problems.VehicleSafety(), 246.8),
        _botorch("Penicillin", botorch_problems.Penicillin(), 2.183e6),
        _botorch("CarSideImpact", botorch_problems.CarSideImpact(), 484.7),
        FORKS,
        RECIPE,
        FEDERATION,
        digits(),
    )
}
