"""Which configurations may still be suggested, and some that need no model: spread ones, and any."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from copy import copy
from functools import cached_property
from operator import attrgetter

import numpy as np
from scipy.stats import qmc

from autoglm_coordinator.sampler.api import NoConfiguration, SpaceExhausted
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.enumeration import every_configuration
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import Part
from autoglm_core.space import SearchSpace

TRIES = 400
"""Random configurations before those of a countable space are counted out."""
SEQUENCE = 512
"""Points of the low-discrepancy sequence."""
KEY: Callable[[Configuration], Hashable] = attrgetter("key")
"""Stands for a shape where nothing is known of shapes: each configuration is a model of its own."""


class Candidates:
    """`known`: what may not be said again; `rng`: draws what is left to chance.

    `refused`: tells configurations of which it is certain that no device class accepts them; they come last. `shape`:
    alike for two configurations of one `tune` that come to one model, since a pruned fraction comes to whole channels:
    once the one is known, nothing is left to be learned of the other.
    """

    def __init__(
        self,
        space: SearchSpace,
        cube: UnitCube,
        known: Iterable[Configuration],
        rng: np.random.Generator,
        *,
        refused: Callable[[Configuration], bool] = lambda configuration: False,
        shape: Callable[[Configuration], Hashable] = KEY,
    ) -> None:
        self._space, self._cube, self._rng, self._refused = space, cube, rng, refused
        self.shape = shape
        self._known: dict[str, frozenset[Hashable]] = {}
        for configuration in known:
            self.take(configuration)
        self._tune = cube.coordinates(Part.TUNE)

    def fork(self) -> Candidates:
        """What is taken from it is still there in this one; both draw from the same chance."""
        other = copy(self)
        other._known = dict(self._known)
        return other

    def accepts(self, configuration: Configuration) -> bool:
        """Whether it is new and meets the space's constraints."""
        if not self._space.admits({**configuration.tune, **configuration.deploy}):
            return False
        known = self._known.get(configuration.tune_key)
        return known is None or self.shape(configuration) not in known

    def take(self, configuration: Configuration) -> None:
        """It is known from now on."""
        tune = configuration.tune_key
        self._known[tune] = self._known.get(tune, frozenset()) | {self.shape(configuration)}

    def spread(self, number: int, *, seed: int) -> Configuration | None:
        """The acceptable point of a Sobol sequence that comes at or after `number`, else any."""
        if self._cube.latents:
            for point in qmc.Sobol(self._cube.latents, rng=np.random.default_rng(seed)).random(SEQUENCE)[number:]:
                configuration = self._cube.configuration(point)
                if self.accepts(configuration) and not self._refused(configuration):
                    return configuration
        return self.any()

    def any(self, like: Configuration | None = None) -> Configuration | None:
        """Any acceptable one, with the `tune` of `like` if that is given; None where none was found."""
        spare = None
        for _ in range(TRIES):
            latent = self._rng.random(self._cube.latents)
            if like is not None:
                latent[self._tune] = self._cube.latent(like, fill=latent)[self._tune]
            configuration = self._cube.configuration(latent, tune=None if like is None else like.tune)
            if self.accepts(configuration):
                if not self._refused(configuration):
                    return configuration
                spare = spare or configuration
        if spare is not None:
            return spare
        wanted = None if like is None else like.tune_key
        left = [entry for entry in self._every if wanted in (None, entry.tune_key) and self.accepts(entry)]
        return left[int(self._rng.integers(len(left)))] if left else None

    def why_none(self) -> SpaceExhausted | NoConfiguration:
        """The error where nothing is left to suggest."""
        return SpaceExhausted(configurations=len(self._every)) if self._every else NoConfiguration(tries=TRIES)

    @cached_property
    def _every(self) -> list[Configuration]:
        """All of a countable space; none of an endless one."""
        return every_configuration(self._space) or []
