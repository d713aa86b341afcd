"""Between floats and ring elements.

A delta is multiplied by weight/weight_cap, clipped, scaled to Q levels and rounded stochastically, so that the
expected sum is the sum of the clipped deltas and a site with many rows does not cost the others resolution. Integer
weights in the body were rejected: at 16 bits they would leave some 27 levels. The rounding's randomness is keyed
(site secret, TUNE key, round), so a round that is repeated after a crash rounds alike and two runs of a study agree
bit for bit.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

from autoglm_core.encoding import Writer
from autoglm_core.errors import InvalidInput
from autoglm_core.privacy.derivation import derive
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import Body, WrongVector

_BLOCK = 1 << 16
_FRACTION_BITS = 32


class NonFiniteUpdate(InvalidInput):
    """An update holds NaN or an infinity; nothing was drawn or sent."""

    code = "non-finite-update"

    def __init__(self) -> None:
        super().__init__("the update holds NaN or infinity; lower the learning rate or check the data")


class BadWeight(InvalidInput):
    """A weight of averaging outside [0, weight_cap]."""

    code = "bad-weight"

    def __init__(self, *, weight_cap: int) -> None:
        super().__init__(f"a weight must lie between 0 and the session's cap {weight_cap}", weight_cap=weight_cap)


def levels_for(sites: int, bits: int) -> int:
    """Largest Q for which `sites` values in [-Q, Q] cannot leave the signed ring of `bits`."""
    return ((1 << (bits - 1)) - 1) // sites


def rounding_key(secret: bytes, spec: SessionSpec) -> bytes:
    """32 bytes from a site's own secret, the study, the TUNE key and the round; not from session or attempt."""
    context = Writer().text(spec.study_hash).text(spec.trial).u32(spec.round).text(spec.purpose.value).finish()
    return derive(secret, label="rounding", context=context)


def quantize(
    delta: NDArray[np.float32], *, weight: int, spec: SessionSpec, rounding_key: bytes | None
) -> tuple[Body, int]:
    """Ring elements of one site's weighted delta, and how many of its elements were clipped.

    `delta`: `(spec.parameters,)` float32, local minus broadcast weights; `weight`: the site's training rows;
    `rounding_key`: of the stochastic rounding, None: to the nearest level.

    Raises:
        WrongVector: another length.
        BadWeight: `weight` outside [0, spec.weight_cap].
        NonFiniteUpdate: NaN or infinity; raised before any randomness is drawn.
    """
    if delta.shape != (spec.parameters,):
        raise WrongVector(expected=spec.parameters, received=delta.size, part="delta")
    if not 0 <= weight <= spec.weight_cap:
        raise BadWeight(weight_cap=spec.weight_cap)
    out = np.empty(delta.size, spec.layout.body_dtype)
    if delta.size == 0:
        return out, 0
    lowest, highest = float(delta.min()), float(delta.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise NonFiniteUpdate
    scale = weight / spec.weight_cap * (spec.levels / spec.clip)
    bound = spec.levels if max(-lowest, highest) * scale > spec.levels else None
    return out, _round_blocks(delta, out=out, scale=scale, bound=bound, key=rounding_key)


def _round_blocks(delta: NDArray[np.float32], *, out: Body, scale: float, bound: int | None, key: bytes | None) -> int:
    """Fill `out` with floor(delta * scale + u); returns the count clipped.

    u is uniform in [0, 1) with 32 bits, or one half without a key. In fixed point with 32 fractional bits the sum is
    exact, so a value clipped to Q can never round up to Q + 1.
    """
    stream = None if key is None else Cipher(AES256(key), CTR(bytes(16))).encryptor()
    zeros = memoryview(bytes(4 * _BLOCK))
    uniform = np.full(_BLOCK + 4, 1 << (_FRACTION_BITS - 1), np.uint32)  # update_into asks for 15 bytes of room
    real, fixed = np.empty(_BLOCK, np.float64), np.empty(_BLOCK, np.int64)
    signed_out = out.view(np.dtype(f"<i{out.itemsize}"))
    clipped = 0
    for start in range(0, delta.size, _BLOCK):
        size = min(_BLOCK, delta.size - start)
        if stream is not None:
            stream.update_into(zeros[: 4 * size], uniform.view(np.uint8).data)
        x, y = real[:size], fixed[:size]
        np.multiply(delta[start : start + size], scale * 2.0**_FRACTION_BITS, out=x, dtype=np.float64)
        if bound is not None:
            limit = bound * 2.0**_FRACTION_BITS
            clipped += int(np.count_nonzero(np.abs(x) > limit))
            np.clip(x, -limit, limit, out=x)
        np.copyto(y, x, casting="unsafe")
        np.add(y, uniform[:size], out=y)
        np.right_shift(y, _FRACTION_BITS, out=y)
        np.copyto(signed_out[start : start + size], y, casting="unsafe")
    return clipped


def dequantize_sum(
    body_sum: Body, *, clip: float, levels: int, weight_cap: int, weight_sum: int
) -> NDArray[np.float32]:
    """Weighted mean delta `(n,)` float32 from the sum over the survivors, whose weights add up to `weight_sum`.

    Raises:
        BadWeight: `weight_sum` is not positive.
    """
    if weight_sum <= 0:
        raise BadWeight(weight_cap=weight_cap)
    signed = body_sum.view(np.dtype(f"<i{body_sum.itemsize}"))
    scale = clip / levels * (weight_cap / weight_sum)
    # In float64, a piece at a time: two more vectors of it never exist.
    out = np.empty(signed.size, np.float32)
    np.multiply(signed, scale, out=out, dtype=np.float64, casting="same_kind")
    return out
