"""One round of asks: what is suggested in it is believed like everything pending, and not said again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.acquisition import acquisition
from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.search import Search
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import Part


class Asking:
    """`belief`: None until enough is known; configurations are then spread over the space."""

    def __init__(self, cube: UnitCube, candidates: Candidates, belief: Belief | None, rng: np.random.Generator) -> None:
        self._cube, self._candidates, self._belief, self._rng = cube, candidates, belief, rng

    def tune(self, number: int, *, seed: int) -> Configuration | None:
        """The first configuration of TUNE `number`, None where nothing is left. `seed`: of the spread ones."""
        if self._belief is None:
            return self._candidates.spread(number, seed=seed)
        every = Search(self._cube, self._candidates, self._rng, free=np.arange(self._cube.latents))
        return self._best(self._belief, every, number) or self._candidates.any()

    def with_variants(self, first: Configuration, number: int, *, variants: int) -> Suggestion:
        """Take `first` and further deploy parts for its `tune`, `variants` in all where there are as many."""
        self._take(first)
        deploys = [first.deploy]
        while len(deploys) < variants:
            further = self._further(first, number + len(deploys))
            if further is None:
                break
            self._take(further)
            deploys.append(further.deploy)
        return Suggestion(first.tune, tuple(deploys))

    def _further(self, first: Configuration, turn: int) -> Configuration | None:
        if self._belief is None:
            return self._candidates.any(first)
        held = self._cube.latent(first, fill=self._rng.random(self._cube.latents))
        free: NDArray[np.intp] = self._cube.coordinates(Part.DEPLOY)
        search = Search(self._cube, self._candidates, self._rng, free=free, held=held)
        return self._best(self._belief, search, turn) or self._candidates.any(first)

    def _best(self, belief: Belief, search: Search, turn: int) -> Configuration | None:
        return search.run(acquisition(belief.surrogate, belief.counted, extend=turn % 2 == 0), belief.parents)

    def _take(self, configuration: Configuration) -> None:
        self._candidates.take(configuration)
        if self._belief is not None:
            self._belief = self._belief.believing(self._cube.encode([configuration]))
