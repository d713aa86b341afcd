"""The variants of one tuned model, chosen one after another: as many as are asked for, or as are worth their cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autoglm_coordinator.sampler.bayes.acquisition import acquisition
from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.costs import Costs
from autoglm_coordinator.sampler.bayes.deploys import Deploys
from autoglm_coordinator.sampler.bayes.draft import Choice, Draft
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.nesting import FIRST_VARIANTS, Stay
from autoglm_coordinator.sampler.bayes.pricing import PerSecond
from autoglm_coordinator.sampler.bayes.tuned import TunedModel
from autoglm_core.reason import How


class Variants:
    """`number`: of each tuned model, None where they are chosen by what they promise and cost.

    `costs`: None until some were reported.
    """

    def __init__(self, cube: UnitCube, rng: np.random.Generator, *, costs: Costs | None, number: int | None) -> None:
        self._cube, self._rng = cube, rng
        self._costs, self._number = costs, number

    def begun(self, first: Choice, candidates: Candidates, belief: Belief | None, tuned: TunedModel | None) -> Draft:
        """A draft of `first` alone. `tuned`: the model of which it is a further variant, if there is one."""
        stay = None
        if self._costs is not None:
            inputs = self._cube.encode([first.configuration])
            if self._number is None:
                earlier = 0 if tuned is None else tuned.variants
                stay = Stay.begun(self._costs, inputs, earlier=earlier, log_gain=first.log_gain)
            seconds = self._costs.seconds(inputs) if tuned is None else self._costs.of_variant(inputs)
            joules = self._costs.joules(inputs) if tuned is None else None
            first = replace(first, seconds=float(seconds[0]), joules=None if joules is None else float(joules[0]))
        return Draft((), candidates, belief, stay).grown(first, self._cube)

    def filled(self, draft: Draft, *, extend: bool, log_rate: float | None = None) -> Draft:
        """With the further variants that it is to have.

        `extend`: whether they are after the ends of the fronts. `log_rate`: log of the gain per second that each must
        promise; what the draft promises if it is not given.
        """
        deploys = None
        if draft.belief is not None and self._has_room(draft):
            deploys = Deploys(self._cube, draft.first, draft.candidates, draft.belief.parents, self._rng)
        while self._has_room(draft):
            choice = self._further(draft, deploys, extend=extend)
            if choice is None:
                break
            if draft.stay is not None:
                if not draft.stay.is_worth(choice, log_rate):
                    break
                draft = replace(draft, stay=draft.stay.longer(choice))
            draft = draft.grown(choice, self._cube)
        return draft

    def _has_room(self, draft: Draft) -> bool:
        if draft.stay is None or self._costs is None:
            return len(draft.choices) < (self._number or FIRST_VARIANTS)
        return draft.stay.allows(float(self._costs.of_variant(self._cube.encode([draft.first]))[0]))

    def _further(self, draft: Draft, deploys: Deploys | None, *, extend: bool) -> Choice | None:
        """The variant that promises most, per second where that matters; without a model any."""
        if deploys is None or draft.belief is None:
            left = draft.candidates.any(draft.first)
            return None if left is None else self._priced(Choice(left, How.CHANCE))
        promise = acquisition(draft.belief, extend=extend)
        weighed = promise if draft.stay is None or self._costs is None else PerSecond(promise, self._costs)
        found = deploys.next(weighed)
        if found is None:
            return None
        return self._priced(Choice(found, How.MODEL, float(promise(self._cube.encode([found]))[0])))

    def _priced(self, choice: Choice) -> Choice:
        """With what it takes under a tuned model, where that is known."""
        if self._costs is None:
            return choice
        seconds = self._costs.of_variant(self._cube.encode([choice.configuration]))
        return replace(choice, seconds=float(seconds[0]))
