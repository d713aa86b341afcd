"""Figures that are known of a candidate before it is trained, in place of predictions.

A trial of a shape that was measured before gets that measurement again, whatever its error, so there is no doubt left:
such figures have no deviation, and whether they keep a bound is certain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.columns import Column, shared_figure
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.surrogate import Predicted
from autoglm_coordinator.sampler.shapes import Shapes

Array = NDArray[np.float64]


class KnownFigures:
    """What `shapes` knows, as it stands in `columns`, by encoding."""

    def __init__(self, cube: UnitCube, shapes: Shapes, columns: Sequence[Column]) -> None:
        self._cube, self._shapes, self._columns = cube, shapes, columns
        self._rows: dict[bytes, Array] = {}

    def in_place(self, predicted: Predicted) -> Predicted:
        """`predicted` with what is known in place of what is modelled."""
        rows = np.array([self._row(encoding) for encoding in predicted.inputs]).reshape(predicted.mean.shape)
        known = np.isfinite(rows)
        return Predicted(
            predicted.inputs, np.where(known, rows, predicted.mean), np.where(known, 0.0, predicted.deviation)
        )

    def _row(self, encoding: Array) -> Array:
        key = encoding.tobytes()
        if key not in self._rows:
            self._rows[key] = self._looked_up(encoding)
        return self._rows[key]

    def _looked_up(self, encoding: Array) -> Array:
        known = self._shapes.known(self._cube.decode(encoding))
        figures = [
            shared_figure(known, {}, column.metric)
            if column.device_class is None
            else known.get(column.device_class, {}).get(column.metric)
            for column in self._columns
        ]
        return np.array(
            [
                np.nan if figure is None else column.scaled(figure.mean)
                for figure, column in zip(figures, self._columns, strict=True)
            ]
        )
