"""BoTorch's qLogNEHVI as a sampler, on spaces of every kind.

On a box of real numbers it is asked as in BoTorch's tutorial of several objectives. On any other space it works on the
relaxed space that BoTorch's documentation proposes for discrete parameters: integers as real numbers on their scale, a
column for each choice of a category, and what it finds is rounded by `post_processing_func` of `optimize_acqf`, before
the best of the restarts is chosen. Parameters that are not active stand in the middle of their range; BoTorch has
nothing for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.optim import optimize_acqf
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.mlls import SumMarginalLogLikelihood
from sampler_problem import Problem, number

from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import (
    CategoricalParameter,
    FloatParameter,
    FreeParameter,
    IntParameter,
    Scale,
    TiedParameter,
    same_value,
)
from autoglm_core.space import SearchSpace

Row = list[float]


class Relaxed:
    """A space as a unit cube with `columns` columns."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._columns: dict[str, slice] = {}
        self._inactive: Row = []
        for parameter in (*space.tune, *space.deploy):
            if not isinstance(parameter, TiedParameter):
                start, width = len(self._inactive), _width(parameter)
                self._columns[parameter.name] = slice(start, start + width)
                self._inactive += [1 / width if width > 1 else 0.5] * width

    @property
    def columns(self) -> int:
        """How many."""
        return len(self._inactive)

    def row(self, configuration: Configuration) -> Row:
        """`configuration` as a point of the cube."""
        row = list(self._inactive)
        values = {**configuration.tune, **configuration.deploy}
        for parameter in (*self._space.tune, *self._space.deploy):
            if parameter.name in values and not isinstance(parameter, TiedParameter):
                row[self._columns[parameter.name]] = _encoded(parameter, values[parameter.name])
        return row

    def configuration(self, row: Row) -> Configuration:
        """The nearest configuration."""

        def choose(parameter: FreeParameter) -> Value:
            return _decoded(parameter, row[self._columns[parameter.name]])

        return self._space.build(choose)

    def rounded(self, points: Any) -> Any:
        """`points` `(..., columns)`, each at its nearest configuration."""
        rows = [self.row(self.configuration(row)) for row in points.reshape(-1, self.columns).tolist()]
        return torch.tensor(rows, dtype=torch.double).reshape(points.shape)


def _width(parameter: FreeParameter) -> int:
    unordered = isinstance(parameter, CategoricalParameter) and not parameter.ordered
    return len(parameter.choices) if isinstance(parameter, CategoricalParameter) and unordered else 1


def _encoded(parameter: FreeParameter, value: Value) -> Row:
    match parameter:
        case CategoricalParameter(choices=choices, ordered=ordered):
            index = next(index for index, choice in enumerate(choices) if same_value(choice, value))
            if ordered:
                return [index / max(1, len(choices) - 1)]
            return [float(other == index) for other in range(len(choices))]
        case FloatParameter() | IntParameter():
            low, high = _ends(parameter)
            place = np.log(number(value)) if parameter.scale is Scale.LOG else number(value)
            return [float((place - low) / (high - low)) if high > low else 0.5]


def _decoded(parameter: FreeParameter, columns: Row) -> Value:
    match parameter:
        case CategoricalParameter(choices=choices, ordered=ordered):
            return choices[round(columns[0] * (len(choices) - 1)) if ordered else int(np.argmax(columns))]
        case FloatParameter() | IntParameter():
            low, high = _ends(parameter)
            place = low + columns[0] * (high - low)
            value = float(np.exp(place)) if parameter.scale is Scale.LOG else place
            value = min(max(value, parameter.minimum), parameter.maximum)
            return round(value) if isinstance(parameter, IntParameter) else value


def _ends(parameter: FloatParameter | IntParameter) -> tuple[float, float]:
    low, high = float(parameter.minimum), float(parameter.maximum)
    return (float(np.log(low)), float(np.log(high))) if parameter.scale is Scale.LOG else (low, high)


def next_point(
    problem: Problem, known: Sequence[tuple[Configuration, tuple[float, ...]]], *, seed: int
) -> Configuration:
    """Independent SingleTaskGPs over `known` and its figures; 64 samples, 4 restarts, from 256 raw points.

    The first use on a machine compiles BoTorch's kernel, which takes a minute or more.
    """
    torch.manual_seed(1000 * seed + len(known))
    relaxed = Relaxed(problem.space)
    inputs = torch.tensor([relaxed.row(configuration) for configuration, _ in known], dtype=torch.double)
    values = -torch.tensor([figures for _, figures in known], dtype=torch.double)
    model = ModelListGP(
        *(SingleTaskGP(inputs, values[:, j, None], outcome_transform=Standardize(m=1)) for j in range(values.shape[1]))
    )
    fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
    acquisition = qLogNoisyExpectedHypervolumeImprovement(
        model=model,
        ref_point=(-np.array(problem.reference)).tolist(),
        X_baseline=inputs,
        sampler=SobolQMCNormalSampler(torch.Size([64]), seed=seed),
        prune_baseline=True,
    )
    cube = torch.stack([torch.zeros(relaxed.columns), torch.ones(relaxed.columns)]).double()
    rounding = None if problem.real else relaxed.rounded
    found, _ = optimize_acqf(
        acquisition, bounds=cube, q=1, num_restarts=4, raw_samples=256, post_processing_func=rounding
    )
    return relaxed.configuration(found[0].tolist())
