"""What the gradients of one round say, as sums: they add up over sites and name no row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GradientStatistics:
    """Sums over one round; a mean is a sum divided by its count."""

    steps: int = 0
    norm_sum: float = 0.0
    """Norms of the steps' gradients, before clipping."""
    norm_squared_sum: float = 0.0
    windows: int = 0
    """Windows in which the noise was measured."""
    signal_sum: float = 0.0
    """Estimates of the true gradient's squared norm; one may be below 0."""
    noise_sum: float = 0.0
    """Estimates of one row's gradient variance, summed over the coordinates."""
    curvatures: int = 0
    curvature_sum: float = 0.0
    """Of the Hessian's trace, or of the ratio that `curvature.along` defines."""
