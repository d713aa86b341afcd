"""What a coordinator holds of a round, as an attacker reads it: one site's vector, in clear or under masks, or a sum.

Vectors come out of real halves of a session: `clear` is what a site uploads where masking is off, `masked` what it
uploads where it is on, `total` what the coordinator has when the masks are off the sum. Each is turned back into floats
as if it were the whole sum, for nothing else can be made of ring elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sum_session import Exchange, Party, clear_vector

from autoglm_core.privacy.ring import dequantize_sum
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_events import InputReady, Start, UploadMasked
from autoglm_core.privacy.vectors import Body, ClearVector, MaskedVector

Vector = NDArray[np.float32]
ROWS = 1000
"""Every site's weight of averaging, also the session's cap."""
SMALLEST_COHORT = 3
"""Sites refuse a sum over fewer."""


@dataclass(frozen=True)
class Held:
    """Of `sites` sites: the first one's upload without masks, with masks (None below three sites), and the mean."""

    clear: Vector
    masked: Vector | None
    total: Vector


def hold(deltas: Sequence[Vector]) -> Held:
    """Run the round in which site i's local training changed the model by `deltas[i]`.

    Below three sites, which every site refuses, the total is the sum of the clear uploads: what it would be.
    """
    party = Party.of(len(deltas))
    spec = party.spec(deltas[0].size)
    inputs = [clear_vector(spec, delta, rows=ROWS) for delta in deltas]
    clear = _clear_upload(party, spec, inputs[0])
    if len(deltas) < SMALLEST_COHORT:
        running = MaskedVector.zeros(spec.layout)
        for vector in inputs:
            running.add(MaskedVector(body=vector.body, tail=vector.tail))
        return Held(_read(clear, spec, 1), None, _read(running.body, spec, len(deltas)))
    exchange = Exchange(party, spec)
    uploads = []
    for site, vector in zip(spec.cohort, inputs, strict=True):
        instructions = exchange.sites[site].handle(InputReady(vector))
        uploads += [each.vector.copy() for each in instructions if isinstance(each, UploadMasked)]
        exchange.deliver(site, instructions)
    assert exchange.result is not None
    return Held(
        _read(clear, spec, 1), _read(uploads[0].body, spec, 1), _read(exchange.result.body_sum, spec, len(deltas))
    )


def nothing(size: int, seed: int) -> Vector:
    """Ring elements drawn at random, read in the same way: no information at all. `(size,)`."""
    spec = Party.of(SMALLEST_COHORT).spec(size)
    drawn = np.random.default_rng(seed).integers(0, 2**spec.ring_bits, size, dtype=np.uint32)
    return _read(drawn, spec, 1)


def _clear_upload(party: Party, spec: SessionSpec, vector: ClearVector) -> Body:
    site = party.site(replace(spec, masked=False, minimum_cohort=1), spec.cohort[0])
    site.handle(Start())
    (upload,) = (each for each in site.handle(InputReady(vector)) if isinstance(each, UploadMasked))
    return upload.vector.body


def _read(body: Body, spec: SessionSpec, sites: int) -> Vector:
    return dequantize_sum(body, clip=spec.clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=sites * ROWS)
