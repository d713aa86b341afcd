"""Around a training round's session: what it takes over from the rounds before, and what its sum says of the clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from autoglm_coordinator.store.records import RoundRecord
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import Body
from autoglm_core.workload import Vector

MOST_CLIPPED = 0.01
"""Share of the elements that the clip may cut off before it is remarked on."""


def counted_last(rounds: Iterable[RoundRecord]) -> Mapping[str, str]:
    """By site the session (hexadecimal id) in which its vector counted last, from a TUNE's `rounds` in order."""
    return {site: record.session_id.hex() for record in rounds for site in record.survivors}


def never_the_same(moved: Vector, before: Vector) -> Vector:
    """`moved`, or where no weight of `before` moved, it with one weight a smallest step up.

    Sites release shares once for a model and purpose, so a model that is broadcast for two rounds would fail the
    second. In few lanes of few bits a round's sum can well be zero.
    """
    if moved.tobytes() != before.tobytes():
        return moved
    step = moved.copy()
    step[0] = np.nextafter(step[0], np.float32(np.inf))
    return step


def remark_on_clip(spec: SessionSpec, body_sum: Body, *, clipped: int, survivors: int) -> str:
    """What to change about the study's clip after a round; empty where it fits.

    Too small, it holds back what sites learned. Too large, in 16 bits, updates lie below a quarter of a level, and a
    sum is no larger than what the rounding of `survivors` vectors adds to it, half a level each.
    """
    if clipped > MOST_CLIPPED * spec.parameters * survivors:
        share = clipped / (spec.parameters * survivors)
        return f"{share:.0%} of the updates' elements reach the clip: raise protection.clip, {spec.clip:g} now"
    signed = body_sum.view(np.dtype(f"<i{body_sum.itemsize}"))
    typical = float(np.sqrt(np.mean(np.square(signed, dtype=np.float64))))
    if spec.ring_bits == 16 and spec.round == 1 and typical < 0.5 * survivors**0.5:
        return f"updates lie far below a level of the ring: lower protection.clip, {spec.clip:g} now, say to a tenth"
    return ""
