"""Seeded random-k sparsity: which parameters of the model a round's updates carry, the same ones at every site.

Top-k picks better coordinates and was rejected: each site would pick its own, the sum over sites would no longer be
lane by lane, and the indices would tell what moved at a site. Here the pattern follows from public values alone (study,
TUNE key, round), so that nobody sends or chooses it, every attempt of a round has the same one, and the masks of the
secure sum cancel on it as on a whole vector. (Random-k: Stich et al. 2018, arXiv:1809.07599; the seed in place of
indices: Konecny et al. 2016, arXiv:1610.05492, "random mask".)
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.updates.keystream import keystream_words
from autoglm_core.encoding import Writer
from autoglm_core.privacy.derivation import derive
from autoglm_core.privacy.session_spec import SessionSpec

Indices = NDArray[np.int64]


def lanes_for(dimension: int, share: float) -> int:
    """How many of `dimension` parameters a round carries: `ceil(share * dimension)` in double precision, 1 at least.

    `share` lies in (0, 1]; a model without parameters has no lane.
    """
    return min(dimension, max(1, ceil(share * dimension)))


def pattern_of(spec: SessionSpec) -> Indices | None:
    """The parameters behind the lanes of `spec`: `(spec.parameters,)` ascending; None where each has its own lane."""
    if spec.parameters == spec.dimension:
        return None
    context = Writer().text(spec.trial).u32(spec.round).finish()
    key = derive(bytes.fromhex(spec.study_hash), label="pattern", context=context)
    return smallest(keystream_words(key, spec.dimension), spec.parameters)


def smallest(drawn: NDArray[np.uint32], lanes: int) -> Indices:
    """Indices of the `lanes` smallest of `drawn` `(n,)`, 0 < lanes <= n, ascending; of equals the first ones."""
    last = np.partition(drawn, lanes - 1)[lanes - 1]
    chosen = drawn < last
    ties = np.flatnonzero(drawn == last)
    chosen[ties[: lanes - int(np.count_nonzero(chosen))]] = True
    return np.flatnonzero(chosen)
