"""Generated cases of ring and masks: vectors, keystreams and dropouts by the hundred thousand, each from two numbers.

What the masks must leave untouched is computed here on its own: with 64-bit integers for the body, whose sum over
twelve sites cannot leave them, and with Python's integers for the tail. `case(seed, number)` is always the same case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autoglm_core.privacy.layout import VectorLayout
from autoglm_core.privacy.masks import CHUNK, MaskStream, mask, unmask
from autoglm_core.privacy.ring import dequantize_sum, quantize
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import Body, ClearVector, MaskedVector, Tail
from support.secure_sum_wire import Deployment

MOST_STREAMS = 12
EDGE_EVERY = 500
"""Of so many cases one has a body that ends at an edge of the mask generator's buffer, or two lanes beside it."""
_KEY_BYTES = 32
_EXAMPLE = Deployment.of(3).spec()

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Updates:
    """What `quantize` is given: `deltas` `(n, parameters)` float32, `weights` `(n,)`."""

    deltas: NDArray[np.float32]
    weights: Integers
    spec: SessionSpec


@dataclass(frozen=True)
class Case:
    """`body` `(n, parameters)` and `tail` `(n, lanes)`: signed ring elements of n sites that exchanged keys.

    `survivors`: whose vectors are summed. `parts`: into how many parts the sum is split to take the masks out.
    """

    layout: VectorLayout
    body: Integers
    tail: Integers
    survivors: tuple[int, ...]
    self_keys: tuple[bytes, ...]
    pair_keys: Mapping[tuple[int, int], bytes]
    parts: int
    updates: Updates | None

    @property
    def sites(self) -> int:
        """n, the dropped included."""
        return len(self.self_keys)

    def vector(self, site: int) -> ClearVector:
        """A site's ring elements: its integers modulo the ring."""
        body = self.body[site].astype(self.layout.body_dtype)
        return ClearVector(body=body, tail=self.tail[site].astype(np.uint64))

    def integer_sum(self) -> tuple[list[int], list[int]]:
        """Body and tail over the survivors, with integers that have no end."""
        tail = [sum(int(self.tail[site, lane]) for site in self.survivors) for lane in range(self.layout.tail)]
        return [int(value) for value in self.body[list(self.survivors)].sum(axis=0)], tail


@dataclass(frozen=True)
class Seen:
    """What a case put to the test: lanes whose sum left the ring, quantized updates, dropouts."""

    wrapped: bool
    quantized: bool
    dropped: bool


def play(seed: int, number: int) -> Seen:
    """Require of case `number` of `seed` that its sum is the integer sum, bit for bit.

    Raises:
        AssertionError: it is not; says how to draw the case again.
    """
    drawn = case(seed, number)
    try:
        result = masked_sum(drawn)
        wrapped = _require_exact(drawn, result)
        if drawn.updates is not None:
            _require_true_rounding(drawn, result, drawn.updates)
    except Exception as error:
        raise AssertionError(f"secure_sum_cases.play({seed}, {number}): {error!r}") from error
    return Seen(wrapped > 0, drawn.updates is not None, len(drawn.survivors) < drawn.sites)


def case(seed: int, number: int) -> Case:
    """Case `number` of `seed`."""
    generator = np.random.default_rng((seed, number))
    sites = int(generator.integers(2, MOST_STREAMS + 1))
    layout = _layout(generator, edge=None if number % EDGE_EVERY else number // EDGE_EVERY)
    updates = _updates(generator, sites, layout) if number % 4 == 1 and layout.body else None
    pairs = list(combinations(range(sites), 2))
    drawn = generator.bytes(_KEY_BYTES * (sites + len(pairs)))
    keys = [drawn[start : start + _KEY_BYTES] for start in range(0, len(drawn), _KEY_BYTES)]
    alive = generator.random(sites) < generator.choice((0.3, 0.7, 1.0))
    alive[generator.integers(sites)] = True
    return Case(
        layout=layout,
        body=_quantized(updates) if updates else _lanes(generator, sites, layout.body, layout.body_bits),
        tail=_lanes(generator, sites, layout.tail, 64),
        survivors=tuple(np.flatnonzero(alive).tolist()),
        self_keys=tuple(keys[:sites]),
        pair_keys=dict(zip(pairs, keys[sites:], strict=True)),
        parts=int(generator.integers(1, 5)),
        updates=updates,
    )


def masked_sum(drawn: Case) -> ClearVector:
    """The survivors' masked vectors, none of which shows a lane, added and freed of the masks that are left."""
    running = MaskedVector.zeros(drawn.layout)
    for site in drawn.survivors:
        streams = [MaskStream(drawn.self_keys[site], subtract=False)]
        streams += [_pair(drawn, site, peer) for peer in range(drawn.sites) if peer != site]
        clear = drawn.vector(site)
        masked = mask(clear, streams)
        _require_hidden(clear, masked)
        running.add(masked)
    left = [MaskStream(drawn.self_keys[site], subtract=True) for site in drawn.survivors]
    dropped = set(range(drawn.sites)).difference(drawn.survivors)
    left += [_pair(drawn, gone, peer) for gone in dropped for peer in drawn.survivors]
    return unmask(running, left, parts=drawn.parts)


def _require_hidden(clear: ClearVector, masked: MaskedVector) -> None:
    """No lane is left as it was, but for the few that chance gives: one in 2^16 or 2^32 of the body."""
    assert not (clear.tail == masked.tail).any()
    assert np.count_nonzero(clear.body == masked.body) <= 8 + clear.body.size // 2**13


def _pair(drawn: Case, own: int, peer: int) -> MaskStream:
    """The first of two sites adds, the second subtracts."""
    return MaskStream(drawn.pair_keys[min(own, peer), max(own, peer)], subtract=own > peer)


def _layout(generator: np.random.Generator, *, edge: int | None) -> VectorLayout:
    """Small; or, as the `edge`-th of its kind, around one or two buffers long, the tail perhaps one by itself."""
    bits, tail = int(generator.choice((16, 32))), int(generator.choice((0, 1, 2, 3, 9)))
    if edge is None:
        return VectorLayout(body=int(generator.choice((0, 1, 2, 7, 8, 9, 15, 33))), body_bits=bits, tail=tail)
    tail = (tail, CHUNK // 8 - 1, CHUNK // 8, CHUNK // 8 + 1)[edge % 4]
    left = CHUNK * int(generator.integers(1, 3)) - tail * 8
    return VectorLayout(body=max(0, left * 8 // bits + int(generator.integers(-2, 3))), body_bits=bits, tail=tail)


def _lanes(generator: np.random.Generator, sites: int, lanes: int, bits: int) -> Integers:
    """Signed ring elements: anything, or only as much as `sites` of them can hold, or the outermost of those."""
    most = 2 ** (bits - 1) - 1
    share = most // sites
    match int(generator.integers(3)):
        case 0:
            return generator.integers(-most - 1, most, (sites, lanes), endpoint=True)
        case 1:
            return generator.integers(-share, share, (sites, lanes), endpoint=True)
        case _:
            return generator.choice((-share, share), lanes)[None, :].repeat(sites, axis=0)


def _updates(generator: np.random.Generator, sites: int, layout: VectorLayout) -> Updates:
    cap = int(generator.choice((1, 2, 1000, 2**40)))
    spec = replace(
        _EXAMPLE,
        parameters=layout.body,
        dimension=layout.body,
        ring_bits=layout.body_bits,
        levels=(2 ** (layout.body_bits - 1) - 1) // sites,
        clip=float(generator.choice((2.0**-20, 0.5, 16.0, 1e6))),
        weight_cap=cap,
    )
    weights = generator.integers(0, cap, sites, endpoint=True)
    size = spec.clip * float(generator.choice((1e-4, 0.3, 3.0)))
    return Updates((generator.standard_normal((sites, layout.body)) * size).astype(np.float32), weights, spec)


def _quantized(updates: Updates) -> Integers:
    """What `quantize` makes of them, read as signed integers."""
    signed = np.dtype(f"<i{updates.spec.ring_bits // 8}")
    bodies = [
        quantize(delta, weight=int(weight), spec=updates.spec, rounding_key=bytes([site]) * _KEY_BYTES)[0]
        for site, (delta, weight) in enumerate(zip(updates.deltas, updates.weights, strict=True))
    ]
    return np.stack([body.view(signed).astype(np.int64) for body in bodies])


def _signed(lanes: Body | Tail) -> list[int]:
    """Ring elements as the integers that they stand for when nothing left the ring."""
    return [int(value) for value in lanes.view(np.dtype(f"<i{lanes.itemsize}"))]


def _modulo(values: list[int], bits: int) -> list[int]:
    """The representatives in [-2^(bits-1), 2^(bits-1))."""
    return [(value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1) for value in values]


def _require_exact(drawn: Case, result: ClearVector) -> int:
    """The sum is the integer sum; returns how many lanes left the ring, where it is so modulo the ring."""
    body, tail = drawn.integer_sum()
    received = [*_signed(result.body), *_signed(result.tail)]
    assert received == [*_modulo(body, drawn.layout.body_bits), *_modulo(tail, 64)]
    return sum(map(int.__ne__, [*body, *tail], received))


def _require_true_rounding(drawn: Case, result: ClearVector, updates: Updates) -> None:
    """Each ring element lies less than one level from the weighted, clipped delta; the sum's mean is theirs."""
    spec, weights, survivors = updates.spec, updates.weights, list(drawn.survivors)
    scale = (weights / spec.weight_cap)[:, None] * (spec.levels / spec.clip)
    exact = np.clip(updates.deltas * scale, -spec.levels, spec.levels)
    assert np.abs(drawn.body).max() <= spec.levels
    assert np.abs(drawn.body - exact).max() < 1 + 1e-6
    total = int(weights[survivors].sum())
    if total:
        mean = dequantize_sum(
            result.body, clip=spec.clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=total
        )
        want = drawn.body[survivors].sum(axis=0) * (spec.clip / spec.levels * spec.weight_cap / total)
        np.testing.assert_allclose(mean, want, rtol=1e-6)
