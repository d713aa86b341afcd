"""The default sampler: Bayesian optimisation of several objectives over mixed and conditional spaces.

For each suggestion: the surrogate is fitted to what is known, pending configurations are believed, and the
configuration that promises the most hypervolume is sought; further variants of its `tune` are sought the same way with
`tune` held. The random state is derived from the seed and the number of configurations known, and observations are put
in one order, so the content of the store alone decides what is suggested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.asking import Asking
from autoglm_coordinator.sampler.bayes.belief import Belief, belief_of
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.goals import Goals
from autoglm_core.configuration import Configuration
from autoglm_core.space import SearchSpace
from autoglm_core.trial import Observation

STARTUP = 10
"""TUNEs before a surrogate is asked; they are spread over the space."""


class BayesSampler:
    """`variants`: deploy parts wanted for each tune."""

    def __init__(self, space: SearchSpace, goals: Goals, *, seed: int, variants: int) -> None:
        self._space, self._goals = space, goals
        self._seed, self._variants = seed, variants
        self._cube = UnitCube(space)
        self._observations: tuple[Observation, ...] = ()
        self._pending: tuple[Configuration, ...] = ()

    def observe(self, completed: Sequence[Observation], pending: Sequence[Configuration]) -> None:
        """See `Sampler.observe`."""
        self._observations = tuple(sorted(completed, key=lambda entry: entry.configuration.key))
        self._pending = tuple(sorted(pending, key=lambda configuration: configuration.key))

    def suggest(self, n: int) -> list[Suggestion]:
        """See `Sampler.suggest`."""
        known = [*(entry.configuration for entry in self._observations), *self._pending]
        tunes = len({configuration.tune_key for configuration in known})
        rng = np.random.default_rng(_derived(self._seed, len(known)))
        candidates = Candidates(self._space, self._cube, known, rng)
        belief = self._believed(rng) if tunes >= STARTUP else None
        asking = Asking(self._cube, candidates, belief, rng)
        suggestions: list[Suggestion] = []
        for number in range(tunes, tunes + n):
            first = self._first(asking, number, any_known=bool(known or suggestions))
            if first is None:
                break
            suggestions.append(asking.with_variants(first, number, variants=self._variants))
        if not suggestions and n > 0:
            raise candidates.why_none()
        return suggestions

    def _believed(self, rng: np.random.Generator) -> Belief | None:
        belief = belief_of(self._cube, self._goals, self._observations, rng)
        return belief and belief.believing(self._cube.encode(self._pending))

    def _first(self, asking: Asking, number: int, *, any_known: bool) -> Configuration | None:
        reference = self._goals.reference
        # The reference comes first: a weighted sum and every reader of a front compare with it.
        if not any_known and self._space.contains(reference):
            return reference
        return asking.tune(number, seed=_derived(self._seed, 0, "start"))


def _derived(seed: int, known: int, purpose: str = "model") -> int:
    text = f"autoglm/v1/bayes/{purpose}/{seed}/{known}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
