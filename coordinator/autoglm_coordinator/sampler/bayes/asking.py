"""One round of asks: what is suggested in it is believed like everything pending, and not said again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

import numpy as np

from autoglm_coordinator.sampler.api import Suggestion
from autoglm_coordinator.sampler.bayes.acquisition import Acquisition, Promise, acquisition, extends
from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.costs import Costs
from autoglm_coordinator.sampler.bayes.draft import Choice, Draft
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.pricing import Priced
from autoglm_coordinator.sampler.bayes.reopening import most_worthy
from autoglm_coordinator.sampler.bayes.search import Search
from autoglm_coordinator.sampler.bayes.tuned import TunedModel
from autoglm_coordinator.sampler.bayes.variants import Variants
from autoglm_core.reason import How

LITTLE = 0.01
"""A suggestion near the front that promises a smaller share of what the front has gives way to one after its ends. Of a
front in several pieces those that are known were else refined without end."""


@dataclass(frozen=True)
class Weighing:
    """How costs enter.

    `costs`: None until some were reported; `cooling`: how much they count against a new TUNE, 1 at the beginning of the
    budget and 0 at its end; `variants`: of each tuned model, None where they are chosen by what they cost.
    """

    costs: Costs | None
    cooling: float
    variants: int | None

    def of_tune(self, promise: Promise) -> Acquisition:
        """The promise of a new TUNE against its cost."""
        if self.costs is None:
            return promise
        return Priced(promise, self.costs, self.cooling, self.variants or 1)


class Asking:
    """`belief`: None until enough is known; configurations are then spread over the space.

    `tuned`: by tune key, models that may get further variants without a TUNE.
    """

    def __init__(
        self,
        cube: UnitCube,
        candidates: Candidates,
        belief: Belief | None,
        rng: np.random.Generator,
        *,
        weighing: Weighing,
        tuned: Mapping[str, TunedModel],
    ) -> None:
        self._cube, self._candidates, self._belief, self._rng = cube, candidates, belief, rng
        self._weighing, self._tuned = weighing, dict(tuned)
        self._variants = Variants(cube, rng, costs=weighing.costs, number=weighing.variants)

    def next(self, number: int, *, start: Choice | None, seed: int) -> Suggestion | None:
        """Suggestion `number`, from `start` if that is given; None where nothing is left.

        Further variants of an earlier TUNE come instead where they promise more per second. `seed`: of the points that
        are spread over the space.
        """
        first, extend = (start, extends(number)) if start is not None else self._first(number, seed)
        if first is None:
            return None
        tuned = self._tuned.get(first.configuration.tune_key)
        begun = self._variants.begun(first, self._candidates, self._belief, tuned)
        draft = self._variants.filled(begun, extend=extend)
        if start is None:
            draft = self._reopened(draft, extend=extend) or draft
        self._candidates, self._belief = draft.candidates, draft.belief
        self._tuned.pop(draft.first.tune_key, None)
        return draft.suggestion()

    def _first(self, number: int, seed: int) -> tuple[Choice | None, bool]:
        """The first of suggestion `number`, and whether it is after the ends of the fronts."""
        extend = extends(number)
        if self._belief is None:
            spread = self._candidates.spread(number, seed=seed)
            return (None if spread is None else Choice(spread, How.SPREAD)), extend
        near = None if extend else self._searched(self._belief, extend=False, least=LITTLE)
        if near is not None:
            return near, False
        far = self._searched(self._belief, extend=True)
        if far is not None:
            return far, True
        left = self._candidates.any()
        return (None if left is None else Choice(left, How.CHANCE)), True

    def _searched(self, belief: Belief, *, extend: bool, least: float = 0.0) -> Choice | None:
        """What promises most, None where that is less than `least` as a share of what the fronts have."""
        promise = acquisition(belief, extend=extend)
        search = Search(self._cube, self._candidates, self._rng)
        found = search.run(self._weighing.of_tune(promise), belief.parents)
        if found is None:
            return None
        log_gain = float(promise(self._cube.encode([found]))[0])
        return Choice(found, How.MODEL, log_gain) if exp(log_gain) >= least * promise.volume else None

    def _reopened(self, draft: Draft, *, extend: bool) -> Draft | None:
        """Further variants of an earlier TUNE, where they promise more per second than `draft`."""
        belief, costs, log_rate = self._belief, self._weighing.costs, draft.log_rate
        if belief is None or costs is None or log_rate is None:
            return None
        promise = acquisition(belief, extend=extend)
        found = most_worthy(
            self._tuned, cube=self._cube, candidates=self._candidates, promise=promise, costs=costs, rng=self._rng
        )
        if found is None:
            return None
        model, best, log_gain = found
        reopened = self._variants.begun(Choice(best, How.MODEL, log_gain), self._candidates, belief, model)
        if reopened.log_rate is None or reopened.log_rate <= log_rate:
            return None
        return self._variants.filled(reopened, extend=extend, log_rate=log_rate)
