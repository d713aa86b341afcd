"""What a configuration promises: the hypervolume it is expected to add to each device class's front, if it is feasible.

The reference point decides what a search is after. From far below the worst figures seen, the ends of the front
weigh most; from the front's own nadir, its middle does. Suggestions take turns: one extends the front, three refine it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import fsum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.belief import Belief
from autoglm_coordinator.sampler.bayes.boxes import Boxes, free_boxes, hypervolume
from autoglm_coordinator.sampler.bayes.improvement import log_improvement
from autoglm_coordinator.sampler.bayes.surrogate import Predicted
from autoglm_core.objective import Direction
from autoglm_core.pareto import non_dominated

Array = NDArray[np.float64]
TURNS = 4
"""One turn in so many is after the ends. With one in two, fronts whose ends were known were refined too slowly."""
MARGIN, REACH = 0.1, 1.0
"""By how much of the span the reference point lies below the front's nadir, and below the worst that was seen. Ends
often lie beyond the worst of a first spread of points: with a tenth there, they were crept up to in small steps."""
LEAST_SPAN = 1e-3
MOST_ON_FRONT = {1: 1, 2: 200, 3: 100, 4: 50}
"""Points of a front that are counted with, by the number of goals: the boxes between them grow like n^(m / 2)."""

LOOKED_UP = 256
"""Candidates, the most promising of many, whose known figures are looked up."""


ReferenceRule = Callable[[Array, Array], Array]
"""Goals `(n, m)` of what counts and of its front -> the reference point `(m,)`."""


class Acquisition(Protocol):
    """Log of what encoded configurations promise."""

    def __call__(self, inputs: Array) -> Array:
        """Of each of `inputs` `(k, d)`."""
        ...

    def modelled(self, inputs: Array) -> Array:
        """The same from predictions alone, smooth in `inputs`, which need not be encodings of a configuration."""
        ...


@dataclass(frozen=True)
class Promise:
    """The acquisition function: over all device classes, the hypervolume that a class's front is expected to gain.

    `boxes`: of each class, what its front leaves free; `volume`: what all fronts dominate, above the same reference
    points.
    """

    belief: Belief
    boxes: tuple[Boxes, ...]
    volume: float

    def __call__(self, inputs: Array) -> Array:
        """Log promise `(k,)` of `inputs` `(k, d)`; the most promising, with known figures for predictions."""
        predicted = self.belief.surrogate.predict(inputs)
        promised = self._of(predicted)
        if self.belief.known is not None:
            first = np.argsort(-promised, kind="stable")[:LOOKED_UP]
            promised[first] = self._of(self.belief.known.in_place(predicted.part(first)))
        return promised

    def modelled(self, inputs: Array) -> Array:
        """From predictions alone: smooth in `inputs`, which need not be encodings of a configuration."""
        return self._of(self.belief.surrogate.predict(inputs))

    def _of(self, predicted: Predicted) -> Array:
        by_class = [
            log_improvement(*entry.goals(predicted), boxes) + entry.log_feasible(predicted)
            for entry, boxes in zip(self.belief.surrogate.classes, self.boxes, strict=True)
        ]
        result: Array = np.logaddexp.reduce(by_class)
        return result


def extends(turn: int) -> bool:
    """Whether a turn is after the ends of the fronts."""
    return turn % TURNS == 0


def acquisition(belief: Belief, *, extend: bool) -> Promise:
    """The acquisition function of a surrogate of at most four goals for each class.

    `extend`: whether this suggestion is after the ends of the fronts.
    """
    return promise_above(belief, far_below if extend else near_below)


def promise_above(belief: Belief, below: ReferenceRule) -> Promise:
    """The acquisition function with the reference points that `below` sets."""
    predicted = belief.predict(belief.seen)
    parts = [
        _parts(entry.goals(predicted)[0], counted, entry.most, below)
        for entry, counted in zip(belief.surrogate.classes, belief.counted.T, strict=True)
    ]
    return Promise(belief, tuple(free for free, _ in parts), fsum(volume for _, volume in parts))


def _parts(values: Array, counted: NDArray[np.bool_], most: Array, below: ReferenceRule) -> tuple[Boxes, float]:
    """What the front of the rows `counted` `(n,)` of `values` `(n, m)` leaves free, and the volume of what it takes.

    All is free where none counts yet. A surrogate knows no bounds: what it predicts beyond `most` `(m,)` is no gain.
    """
    if not counted.any():
        return free_boxes(values[:0], far_below(values, values[:0]), most), 0.0
    values = values[counted]
    front = values[non_dominated(values, (Direction.MAXIMIZE,) * values.shape[1])]
    reference = below(values, front)
    front = thinned(front, MOST_ON_FRONT[values.shape[1]])
    return free_boxes(front, reference, most), hypervolume(front, reference)


def thinned(front: Array, most: int) -> Array:
    """At most `most` points of `front` `(n, m)`, each the farthest from those before it; its best corner first."""
    if len(front) <= most:
        return front
    chosen = [int(np.argmax(front.sum(axis=1)))]
    distance = np.linalg.norm(front - front[chosen[0]], axis=1)
    while len(chosen) < most:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(front - front[chosen[-1]], axis=1))
    rest: Array = front[np.sort(chosen)]
    return rest


def far_below(values: Array, front: Array) -> Array:
    """Whole spans below the worst of all: from there the ends weigh most."""
    return below_worst(values, REACH)


def near_below(values: Array, front: Array) -> Array:
    """A part of the front's span below its nadir, where it has a span: from there its middle weighs most."""
    nadir = front.min(axis=0)
    span = front.max(axis=0) - nadir
    result: Array = np.where(span > 0, nadir - MARGIN * span, far_below(values, front))
    return result


def below_worst(values: Array, share: float) -> Array:
    """`share` of the span of `values` `(n, m)` below the worst of them."""
    worst, best = values.min(axis=0), values.max(axis=0)
    result: Array = worst - share * np.maximum(best - worst, LEAST_SPAN)
    return result
