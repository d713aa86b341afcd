"""Error feedback: what a round's update could not carry is kept at the site and added to the next one.

A ring of 16 bits rounds coarsely, and a pattern leaves most of a delta out. Without memory the first adds noise in
every round and the second throws away most of what the sites computed. With it, over the rounds in which a site's
vector counted,

    (sum of what it sent) + (its residual) = (sum of its deltas) + (what the residual was at first),

so that an error is late, never lost. Error feedback is Seide et al. 2014 (1-bit SGD), analysed for sparsified and other
compressed gradients by Stich et al. 2018 (arXiv:1809.07599) and Karimireddy et al. 2019 (EF-SGD, arXiv:1901.09847).
This is the variant of Basu et al. 2019 (Qsparse-local-SGD, arXiv:1906.02367): the delta of a whole local training is
compressed, quantized as well as sparsified, and each site has a memory of its own. The secure sum adds two things. A
delta is multiplied by the site's weight before it is rounded, so the residual is kept in units of the unweighted delta;
and what the clip cut off belongs to it, like what was rounded away.

Values are rounded to the nearest level here. Feedback needs a compressor that shrinks what it is given (Karimireddy et
al., assumption A), and stochastic rounding does not: a value far below a level is now and then a whole level off, and
that error comes back in the next round as a value that is no longer small. Rounding to the nearest alone would send
nothing until half a level has come together. So the residual begins with a draw of half a level up or down: what a site
has sent at any time is then the sum of its deltas, stochastically rounded once and not once in every round.

Not used where every parameter has a lane of 32 bits: the error there is below that of float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoglm_compression.updates.keystream import keystream_words
from autoglm_compression.updates.pattern import lanes_for, pattern_of
from autoglm_core.privacy.ring import NonFiniteUpdate, dequantize_sum, quantize
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import Body, WrongVector
from autoglm_core.workload import Vector

if TYPE_CHECKING:
    from autoglm_core.study import Protection

LOW_BITS = 16


def feedback_in_force(protection: Protection, dimension: int) -> bool:
    """Whether an update of `dimension` parameters loses what is worth keeping: implied, never asked for."""
    return protection.ring_bits <= LOW_BITS or lanes_for(dimension, protection.random_k) < dimension


def first_residual(*, weight: int, spec: SessionSpec, rounding_key: bytes) -> Vector:
    """What a TUNE begins with: `(spec.dimension,)` float32, uniform within half a level; zeros for weight 0."""
    if not weight:
        return np.zeros(spec.dimension, np.float32)
    level = spec.clip / spec.levels * (spec.weight_cap / weight)
    drawn = keystream_words(rounding_key, spec.dimension).astype(np.float64)
    return ((drawn / 2**32 - 0.5) * level).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Compressed:
    """What a site sends and what it keeps.

    `body`: `(spec.parameters,)` ring elements; `clipped`: how many of them the clip cut off; `residual`:
    `(spec.dimension,)` float32, the input minus what `body` says of it, in the unit of the delta.
    """

    body: Body
    clipped: int
    residual: Vector


def compress(delta: Vector, residual: Vector, *, weight: int, spec: SessionSpec) -> Compressed:
    """One site's update of a round, from its `delta` and the `residual` of the rounds before.

    Both `(spec.dimension,)` float32. A function of its arguments: the same round again gives the same bits. A site of
    weight 0 sends zeros and keeps its whole input.

    Raises:
        WrongVector: another length.
        BadWeight: `weight` outside [0, spec.weight_cap].
        NonFiniteUpdate: NaN or infinity anywhere in the input, in a lane or not.
    """
    for part, vector in (("delta", delta), ("residual", residual)):
        if vector.shape != (spec.dimension,):
            raise WrongVector(expected=spec.dimension, received=vector.size, part=part)
    with np.errstate(over="ignore", invalid="ignore"):
        kept = delta + residual
    if not np.isfinite(kept).all():
        raise NonFiniteUpdate
    pattern = pattern_of(spec)
    carried = kept if pattern is None else kept[pattern]
    body, clipped = quantize(carried, weight=weight, spec=spec, rounding_key=None)
    if weight:
        # As the coordinator reads a sum, here over this site alone.
        sent = dequantize_sum(body, clip=spec.clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=weight)
        kept[... if pattern is None else pattern] = carried - sent
    return Compressed(body, clipped, kept)
