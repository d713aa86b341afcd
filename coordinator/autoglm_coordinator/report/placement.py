"""Where labels go so that they cover neither points nor each other: each in turn at the freest of sixteen places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Position = tuple[float, float]
DIRECTIONS = (90, 0, 180, 270, 45, 135, 315, 225)
"""Degrees, in order of preference: above first."""


@dataclass(frozen=True)
class Box:
    """An upright rectangle, in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, centre: Position, half_width: float, half_height: float | None = None) -> Box:
        """Around `centre`; a square where no height is given."""
        height = half_width if half_height is None else half_height
        return cls(centre[0] - half_width, centre[1] - height, centre[0] + half_width, centre[1] + height)

    def overlap(self, other: Box) -> float:
        """Area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def place(
    points: Sequence[Position], *, sizes: Sequence[Position], obstacles: Sequence[Box], gap: float
) -> list[Position]:
    """Centres of the labels of `points`, in the same order.

    Args:
        points: what is labelled, in pixels.
        sizes: (width, height) of each label.
        obstacles: what no label should cover; the points themselves belong to it.
        gap: from a point to the nearest edge of its label.
    """
    taken = list(obstacles)
    centres = []
    for point, (width, height) in zip(points, sizes, strict=True):
        choices = [_shifted(point, width, height, gap * reach, angle) for reach in (1.0, 2.5) for angle in DIRECTIONS]
        boxes = [Box.around(choice, width / 2, height / 2) for choice in choices]
        costs = [sum(box.overlap(other) for other in taken) for box in boxes]
        chosen = costs.index(min(costs))
        taken.append(boxes[chosen])
        centres.append(choices[chosen])
    return centres


def _shifted(point: Position, width: float, height: float, gap: float, angle: float) -> Position:
    x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return point[0] + x * (gap + width / 2), point[1] + y * (gap + height / 2)
