"""Variants of one `tune`, each another model, drawn once and compared again for each that is added.

Few parameters need few points.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from autoglm_coordinator.sampler.bayes.acquisition import Acquisition
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import Part

Array = NDArray[np.float64]
SPREAD = 256
"""Points spread over the deploy parameters, beside the deploy parts of the front."""
STEPS = (0.1, 0.03, 0.01)
AROUND = 32
"""Neighbours of the best that are looked at with each step."""
JUMPED = 0.3
"""Chance that a neighbour's category is drawn anew."""


@dataclass(frozen=True)
class Deploy:
    """A variant, its latent coordinates `(latents,)` and its encoding `(columns,)`."""

    configuration: Configuration
    latent: Array
    inputs: Array


class Deploys:
    """Of the `tune` of `like`; `parents` `(p, latents)`: the front's."""

    def __init__(
        self, cube: UnitCube, like: Configuration, candidates: Candidates, parents: Array, rng: np.random.Generator
    ) -> None:
        self._cube, self._like, self._candidates, self._rng = cube, like, candidates, rng
        self._free: NDArray[np.intp] = cube.coordinates(Part.DEPLOY)
        self._held = cube.latent(like, fill=rng.random(cube.latents))
        self._left: dict[Hashable, Deploy] = {}
        self._told: set[Hashable] = set()
        self._add(np.vstack([self._spread(), parents]) if len(self._free) else [self._held])

    def next(self, promise: Acquisition) -> Configuration | None:
        """The variant that promises most of those not told yet, None where there is none."""
        best = self._best(promise)
        for step in STEPS if best is not None and len(self._free) else ():
            self._add(self._around(self._left[best].latent, step))
            best = self._best(promise)
        if best is None:
            return None
        self._told.add(best)
        return self._left.pop(best).configuration

    def _spread(self) -> Array:
        latents = np.tile(self._held, (SPREAD, 1))
        latents[:, self._free] = qmc.Sobol(len(self._free), rng=self._rng).random(SPREAD)
        return latents

    def _around(self, latent: Array, step: float) -> Array:
        shape = (AROUND, len(latent))
        near = np.clip(latent + step * self._rng.standard_normal(shape), 0.0, 1.0)
        anew = np.where(self._rng.random(shape) < JUMPED, self._rng.random(shape), latent)
        result: Array = np.where(self._cube.jumps, anew, near)
        return result

    def _add(self, latents: Iterable[Array]) -> None:
        """Take in what may be suggested of the variants at `latents` `(k, latents)`."""
        new: dict[Hashable, tuple[Configuration, Array]] = {}
        for latent in latents:
            held = self._held.copy()
            held[self._free] = latent[self._free]
            configuration = self._cube.configuration(held, tune=self._like.tune)
            shape = self._candidates.shape(configuration)
            seen = shape in self._left or shape in self._told or shape in new
            if not seen and self._candidates.accepts(configuration):
                new[shape] = configuration, held
        encoded = self._cube.encode([configuration for configuration, _ in new.values()])
        self._left |= {shape: Deploy(*entry, row) for (shape, entry), row in zip(new.items(), encoded, strict=True)}

    def _best(self, promise: Acquisition) -> Hashable | None:
        """A shape, None where nothing is left."""
        if not self._left:
            return None
        promised = promise(np.stack([deploy.inputs for deploy in self._left.values()]))
        return list(self._left)[int(np.argmax(promised))]
