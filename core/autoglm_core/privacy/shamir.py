"""Shamir's secret sharing over the prime 2^256 + 297.

The field is the smallest prime above 2^256, so that every 32-byte secret fits; under 2^255 - 19 half of them would
not. A share is a point (x, y) with y in 33 bytes. Any `threshold` shares give the secret, fewer give nothing (Shamir
1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

PRIME = 2**256 + 297
SECRET_BYTES = 32
SHARE_BYTES = 33
_DRAW_BYTES = 48
"""Reduced modulo the prime, 384 random bits are within 2^-127 of uniform."""

Share = tuple[int, int]
Entropy = Callable[[int], bytes]


def split(secret: int, *, xs: Sequence[int], threshold: int, entropy: Entropy) -> list[Share]:
    """One share for each of `xs`, in that order.

    Raises:
        ValueError: `secret` is outside the field, an x is 0 or occurs twice, or `threshold` does not lie in [1,
        len(xs)].
    """
    if not 0 <= secret < PRIME:
        raise ValueError("the secret lies outside the field")
    _require_points(xs)
    if not 1 <= threshold <= len(xs):
        raise ValueError(f"threshold {threshold} for {len(xs)} shares")
    coefficients = [int.from_bytes(entropy(_DRAW_BYTES), "big") % PRIME for _ in range(threshold - 1)]
    return [(x, _evaluate(coefficients, secret, x)) for x in xs]


def combine(shares: Sequence[Share]) -> int:
    """The secret, if `shares` are at least `threshold` shares of one secret; any field element otherwise.

    Raises:
        ValueError: no share, or an x is 0 or occurs twice.
    """
    return interpolate(weights_at_zero([x for x, _ in shares]), [y for _, y in shares])


def interpolate(weights: Sequence[int], ys: Iterable[int]) -> int:
    """The secret whose shares at the points of `weights` are `ys`, in that order."""
    return sum(weight * y for weight, y in zip(weights, ys, strict=True)) % PRIME


def weights_at_zero(xs: Sequence[int]) -> list[int]:
    """Lagrange weights at 0: many secrets shared over the same points need them once.

    Raises:
        ValueError: no point, or an x is 0 or occurs twice.
    """
    _require_points(xs)
    weights = []
    for x in xs:
        numerator = denominator = 1
        for other in xs:
            if other != x:
                numerator = numerator * other % PRIME
                denominator = denominator * (other - x) % PRIME
        weights.append(numerator * pow(denominator, -1, PRIME) % PRIME)
    return weights


def _evaluate(coefficients: Sequence[int], secret: int, x: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % PRIME
    return (value * x + secret) % PRIME


def _require_points(xs: Sequence[int]) -> None:
    if not xs or any(not 0 < x < PRIME for x in xs) or len(set(xs)) != len(xs):
        raise ValueError("shares need distinct points other than 0")
