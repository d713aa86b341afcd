"""The default sampler: Bayesian optimisation of several objectives over mixed and conditional spaces.

For each suggestion: the surrogate is fitted to what is known, pending configurations are believed, and the
configuration that promises the most hypervolume for its cost is sought; further variants of its `tune` are sought the
same way with `tune` held, as long as they are worth theirs. The random state is derived from the seed and the number of
configurations known, and observations are put in one order, so the content of the store alone decides what is
suggested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from autoglm_coordinator.sampler.api import Outlook, Suggestion
from autoglm_coordinator.sampler.bayes.asking import Asking, Weighing
from autoglm_coordinator.sampler.bayes.belief import Belief, belief_of
from autoglm_coordinator.sampler.bayes.candidates import KEY, Candidates
from autoglm_coordinator.sampler.bayes.costs import costs_of
from autoglm_coordinator.sampler.bayes.draft import Choice
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.nesting import FIRST_VARIANTS
from autoglm_coordinator.sampler.bayes.outlook import outlook_of
from autoglm_coordinator.sampler.bayes.pricing import cooling
from autoglm_coordinator.sampler.bayes.tuned import tuned_models
from autoglm_coordinator.sampler.goals import Goals
from autoglm_coordinator.sampler.shapes import Shapes, refused_by_all
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import Part
from autoglm_core.reason import How
from autoglm_core.space import SearchSpace
from autoglm_core.study import Budget
from autoglm_core.trial import Observation

STARTUP = 10
"""TUNEs before a surrogate is asked; they are spread over the space."""
WARM_STARTUP = 4
"""So many where earlier studies are learned from: enough to see where they mislead."""


class BayesSampler:
    """`variants`: deploy parts wanted for each tune, None where they are chosen by what they cost.

    `shapes`: what is known of configurations before TUNE; `budget`: the study's, if there is one; `earlier`: what was
    observed in other studies of the space.
    """

    def __init__(
        self,
        space: SearchSpace,
        goals: Goals,
        *,
        seed: int,
        variants: int | None = None,
        shapes: Shapes | None = None,
        budget: Budget | None = None,
        earlier: Sequence[Sequence[Observation]] = (),
    ) -> None:
        self._space, self._goals, self._shapes = space, goals, shapes
        self._seed, self._variants, self._budget = seed, variants, budget
        self._earlier = [_in_order(study) for study in earlier]
        self._cube = UnitCube(space)
        self._observations: tuple[Observation, ...] = ()
        self._pending: tuple[Configuration, ...] = ()
        self._belief: Belief | None = None

    def observe(self, completed: Sequence[Observation], pending: Sequence[Configuration]) -> None:
        """See `Sampler.observe`."""
        self._observations = _in_order(completed)
        self._pending = tuple(sorted(pending, key=lambda configuration: configuration.key))

    def suggest(self, n: int) -> list[Suggestion]:
        """See `Sampler.suggest`."""
        every = [*(entry.configuration for entry in self._observations), *self._pending]
        known = list({configuration.key: configuration for configuration in every}.values())
        tunes = len({configuration.tune_key for configuration in known})
        rng = np.random.default_rng(_derived(self._seed, len(known)))
        shape = KEY if self._shapes is None else self._shapes.shape
        candidates = Candidates(self._space, self._cube, known, rng, refused=self._refused, shape=shape)
        belief = self._believed(rng) if self._is_spread(tunes, len(known)) else None
        self._belief = belief
        tuned = tuned_models(self._observations, self._pending)
        asking = Asking(self._cube, candidates, belief, rng, weighing=self._weighing(len(known)), tuned=tuned)
        start = None if known else self._reference()
        suggestions: list[Suggestion] = []
        for number in range(tunes, tunes + n):
            suggestion = asking.next(number, start=start, seed=_derived(self._seed, 0, "start"))
            if suggestion is None:
                break
            suggestions.append(suggestion)
            start = None
        if not suggestions and n > 0:
            raise candidates.why_none()
        return suggestions

    def outlook(self, suggestions: Sequence[Suggestion]) -> Outlook | None:
        """See `Foreseeing`; nothing before a surrogate is asked, or where that knows nothing better than chance."""
        modelled = [entry for entry in suggestions if entry.reasons[0].how is How.MODEL]
        if self._belief is None or not modelled:
            return None
        inputs = self._cube.encode([entry.configurations[0] for entry in modelled])
        return outlook_of(self._belief, inputs, [entry.reasons[0].seconds for entry in modelled])

    def _is_spread(self, tunes: int, known: int) -> bool:
        """Whether enough of the space was seen; a space of few tunes, or of one, shows itself in its variants."""
        least = WARM_STARTUP if self._earlier else STARTUP
        if not len(self._cube.coordinates(Part.TUNE)):
            return known >= least
        return tunes >= least or known >= FIRST_VARIANTS * least

    def _refused(self, configuration: Configuration) -> bool:
        return self._shapes is not None and refused_by_all(self._goals.bounds, self._shapes.known(configuration))

    def _believed(self, rng: np.random.Generator) -> Belief | None:
        belief = belief_of(self._cube, self._goals, self._observations, rng, shapes=self._shapes, earlier=self._earlier)
        return belief and belief.believing(self._cube.encode(self._pending))

    def _weighing(self, known: int) -> Weighing:
        costs = costs_of(self._cube, self._observations, self._budget)
        return Weighing(costs, cooling(self._budget, self._observations, known=known), self._variants)

    def _reference(self) -> Choice | None:
        """It comes first: a weighted sum and every reader of a front compare with it."""
        reference = self._goals.reference
        return Choice(reference, How.REFERENCE) if self._space.contains(reference) else None


def _in_order(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    return tuple(sorted(observations, key=lambda entry: entry.configuration.key))


def _derived(seed: int, known: int, purpose: str = "model") -> int:
    text = f"autoglm/v1/bayes/{purpose}/{seed}/{known}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
