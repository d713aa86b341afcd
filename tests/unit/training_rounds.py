"""What a training round at the coordinator takes from those before it, and what its sum says of the clip."""

from __future__ import annotations

import numpy as np
import pytest

from autoglm_coordinator.federation.rounds import counted_last, never_the_same, remark_on_clip
from autoglm_coordinator.store.records import RoundRecord
from autoglm_core.privacy.ring import levels_for, quantize
from support.secure_sum_wire import Deployment

SITES = 4


def record(number: int, *survivors: str) -> RoundRecord:
    session = bytes([number]) * 32 if survivors else b""
    return RoundRecord("t", number, "m", None, {}, survivors=survivors, session_id=session)


def test_each_site_is_told_the_last_session_in_which_it_counted() -> None:
    rounds = [record(0), record(1, "a", "b", "c"), record(2, "a", "b"), record(3, "a", "d")]
    assert counted_last(rounds) == {"a": "03" * 32, "b": "02" * 32, "c": "01" * 32, "d": "03" * 32}
    assert counted_last([record(0)]) == {}


@pytest.mark.parametrize("first", [0.0, 1.5, -2.0, 1e-40])
def test_a_round_that_moved_nothing_still_gives_another_model(first: float) -> None:
    """Sites give shares once for a model and purpose: the next round over the same one would fail."""
    before = np.array([first, 7.0], np.float32)
    moved = never_the_same(before.copy(), before)
    assert moved.tobytes() != before.tobytes()
    assert np.abs(moved - before).max() <= np.spacing(np.float32(2.0))


def test_a_model_that_moved_is_left_as_it_is() -> None:
    moved = np.array([1.0, 2.0], np.float32)
    assert never_the_same(moved, np.array([1.0, 2.5], np.float32)) is moved


def remark(scale: float, *, clip: float, bits: int = 16, number: int = 1) -> str:
    """After a round of four sites whose deltas are normal with that deviation, before they are weighted."""
    spec = Deployment.of(SITES).spec(
        parameters=4000, round=number, clip=clip, ring_bits=bits, levels=levels_for(SITES, bits), weight_cap=SITES
    )
    total, clipped = np.zeros(spec.parameters, spec.layout.body_dtype), 0
    for site in range(SITES):
        delta = np.random.default_rng(site).normal(0.0, scale, spec.parameters).astype(np.float32)
        body, cut = quantize(delta, weight=1, spec=spec, rounding_key=bytes([site]) * 32)
        total, clipped = total + body, clipped + cut
    return remark_on_clip(spec, total, clipped=clipped, survivors=SITES)


@pytest.mark.parametrize("bits", [16, 32])
def test_a_clip_that_fits_is_not_remarked_on(bits: int) -> None:
    assert remark(0.05, clip=1.0, bits=bits) == ""


@pytest.mark.parametrize("number", [1, 2])
def test_a_clip_that_cuts_updates_off_is_to_be_raised(number: int) -> None:
    assert remark(0.05, clip=0.01, number=number) == (
        "42% of the updates' elements reach the clip: raise protection.clip, 0.01 now"
    )


def test_a_clip_far_above_every_update_is_to_be_lowered() -> None:
    assert "lower protection.clip, 16 now" in remark(0.001, clip=16.0)
    assert remark(0.001, clip=16.0, bits=32) == "", "32 bits are fine enough"
    assert remark(0.001, clip=16.0, number=5) == "", "late rounds move little, whatever the clip is"
