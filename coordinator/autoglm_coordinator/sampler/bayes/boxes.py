"""The region that no point of a front dominates, as disjoint boxes; hypervolumes over them.

Algorithm: local upper bounds (Klamroth, Lacour & Vanderpooten 2015, doi:10.1016/j.ejor.2015.03.031) and the partition
that they span (Lacour, Klamroth & Fonseca 2017, arXiv:1510.01963). Everything here is maximised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """`lower`, `upper`: `(boxes, m)`; `upper` may be infinite."""

    lower: Array
    upper: Array


def free_boxes(front: Array, reference: Array, most: Array | None = None) -> Boxes:
    """What lies above `reference` `(m,)` and is dominated by no point of `front` `(n, m)`, without overlap.

    Nothing beyond `most` `(m,)`, unless that leaves nothing.
    """
    above = front[(front > reference).all(axis=1)]
    # Bounds of the free region from above, seen upside down: each is a corner that free points lie under.
    corners, _ = _bounds(-above, -reference)
    boxes = _dominated_boxes(-corners, np.full(reference.size, np.inf))
    if most is None:
        return boxes
    upper = np.minimum(boxes.upper, most)
    left = (upper > boxes.lower).all(axis=1)
    return Boxes(boxes.lower[left], upper[left]) if left.any() else boxes


def hypervolume(front: Array, reference: Array) -> float:
    """Volume that `front` `(n, m)` dominates above `reference` `(m,)`."""
    above = front[(front > reference).all(axis=1)]
    if not above.size:
        return 0.0
    boxes = _dominated_boxes(-above, -reference)
    return float(np.prod(boxes.upper - boxes.lower, axis=1).sum())


def _dominated_boxes(points: Array, reference: Array) -> Boxes:
    """Partition of what `points` dominate below `reference` where everything is minimised."""
    bounds, definers = _bounds(points, reference)
    m = reference.size
    lower, upper = bounds.copy(), bounds.copy()
    upper[:, 0] = reference[0]
    for j in range(1, m):
        lower[:, j] = definers[:, :j, j].max(axis=1)
    filled = (upper > lower).all(axis=1)
    return Boxes(lower[filled], upper[filled])


def _bounds(points: Array, reference: Array) -> tuple[Array, Array]:
    """Local upper bounds `(k, m)` of `points` (minimised) under `reference`, and their defining points `(k, m, m)`."""
    m = reference.size
    bounds = reference[None, :].copy()
    definers = np.full((1, m, m), -np.inf)
    definers[0, np.arange(m), np.arange(m)] = reference
    # In this order most points fall into few bounds, which keeps the intermediate sets small.
    for point in points[np.argsort(points.sum(axis=1))]:
        split = (point < bounds).all(axis=1)
        if not split.any():
            continue
        parents, parent_definers = bounds[split], definers[split]
        made, made_definers = [bounds[~split]], [definers[~split]]
        for j in range(m):
            others = np.delete(parent_definers[:, :, j], j, axis=1)
            kept = point[j] >= others.max(axis=1) if m > 1 else np.ones(len(parents), bool)
            child, child_definers = parents[kept].copy(), parent_definers[kept].copy()
            child[:, j] = point[j]
            child_definers[:, j, :] = point
            made.append(child)
            made_definers.append(child_definers)
        bounds, definers = np.concatenate(made), np.concatenate(made_definers)
    return bounds, definers
