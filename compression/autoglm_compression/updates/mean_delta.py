"""From the sum of a round back to the model: the mean delta of every parameter, 0 where the round carried none."""

from __future__ import annotations

import numpy as np

from autoglm_compression.updates.pattern import pattern_of
from autoglm_core.privacy.ring import dequantize_sum
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import Body
from autoglm_core.workload import Vector


def mean_delta(body_sum: Body, *, weight_sum: int, spec: SessionSpec) -> Vector:
    """`(spec.dimension,)` float32 from the sum `(spec.parameters,)` over survivors whose weights are `weight_sum`.

    Raises:
        BadWeight: `weight_sum` is not positive.
    """
    carried = dequantize_sum(
        body_sum, clip=spec.clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=weight_sum
    )
    pattern = pattern_of(spec)
    if pattern is None:
        return carried
    delta = np.zeros(spec.dimension, np.float32)
    delta[pattern] = carried
    return delta
