"""Between configurations and the two cubes that the sampler works in.

Latent: one coordinate in [0, 1] per free parameter, active or not; moves are made there. Encoded: what the surrogate
sees, with a column per number and one per choice of a category. What is not active lies in the middle of its range
(Levesque et al. 2017, doi:10.1109/IJCNN.2017.7965865), so that it is nobody's neighbour for a value that it does not
have; the parameter that its condition looks at tells the two cases apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.axes import Axis
from autoglm_core.configuration import Configuration, Value, Values
from autoglm_core.parameter import FloatParameter, FreeParameter, Part, TiedParameter
from autoglm_core.space import SearchSpace

Array = NDArray[np.float64]


class UnitCube:
    """All free parameters of a space.

    Attributes:
        latents: Number of latent coordinates, one per free parameter.
        groups: `(columns,)`: columns of the same parameter share a number, and in the surrogate a lengthscale.
        jumps: `(latents,)` bool: coordinates of categories, where a small step means nothing.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._axes = _axes(space)
        self._number = {name: number for number, name in enumerate(self._axes)}
        axes = list(self._axes.values())
        widths = [axis.width for axis in axes]
        self.latents = len(axes)
        self.groups: NDArray[np.intp] = np.repeat(np.arange(len(axes), dtype=np.intp), widths)
        self.jumps = np.array([axis.jumps for axis in axes], bool)
        self._inactive = np.repeat(np.array([axis.inactive for axis in axes], float), widths)

    def coordinates(self, part: Part) -> NDArray[np.intp]:
        """Latent coordinates of the free parameters of `part`."""
        names = [parameter.name for parameter in self._space.ordered(part)]
        return np.array(sorted(self._number[name] for name in names if name in self._number), np.intp)

    def configuration(self, latent: Array, *, tune: Values | None = None) -> Configuration:
        """The configuration at `latent` `(latents,)`; constraints are not looked at.

        `tune`: kept to the last digit, where only a `deploy` part is wanted; a user's numbers need not be round.
        """

        def choose(parameter: FreeParameter) -> Value:
            return self._axes[parameter.name].value(float(latent[self._number[parameter.name]]))

        if tune is None:
            return self._space.build(choose)
        return Configuration(tune=tune, deploy=self._space.fill(Part.DEPLOY, choose, given=tune))

    def latent(self, configuration: Configuration, *, fill: Array) -> Array:
        """Latent coordinates `(latents,)` of `configuration`; what is not active there keeps the one in `fill`."""
        latent = fill.copy()
        for name, value in self._free(configuration).items():
            latent[self._number[name]] = self._axes[name].latent(value)
        return latent

    def encode(self, configurations: Sequence[Configuration]) -> Array:
        """Inputs `(n, columns)` of the surrogate."""
        rows = np.tile(self._inactive, (len(configurations), 1))
        for row, configuration in zip(rows, configurations, strict=True):
            for name, value in self._free(configuration).items():
                self._axes[name].encode(value, row)
        return rows

    def real(self, configuration: Configuration) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Latent coordinates and columns of the real numbers that are active in `configuration`; both hold the same."""
        names = [
            name
            for name in self._free(configuration)
            if isinstance(parameter := self._axes[name].parameter, FloatParameter)
            and parameter.minimum < parameter.maximum
        ]
        columns = [self._axes[name].column for name in names]
        return np.array([self._number[name] for name in names], np.intp), np.array(columns, np.intp)

    def decode(self, encoding: Array) -> Configuration:
        """The configuration that `encode` makes `encoding` `(columns,)` of, or the nearest to it."""
        return self._space.build(lambda parameter: self._axes[parameter.name].decode(encoding))

    def _free(self, configuration: Configuration) -> Values:
        values = {**configuration.tune, **configuration.deploy}
        return {name: value for name, value in values.items() if name in self._axes}


def _axes(space: SearchSpace) -> dict[str, Axis]:
    axes: dict[str, Axis] = {}
    column = 0
    for parameter in (*space.tune, *space.deploy):
        if not isinstance(parameter, TiedParameter):
            axes[parameter.name] = Axis(parameter, column)
            column += axes[parameter.name].width
    return axes
