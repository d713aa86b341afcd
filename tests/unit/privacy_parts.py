"""The parts of the secure sum one by one: encoding, ring, masks, shares, keys, roster, spec, sealing."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.privacy import bodies
from autoglm_core.privacy.errors import BadShare, BadSignature
from autoglm_core.privacy.keys import SiteKey, SitePublicKey
from autoglm_core.privacy.layout import BadLayout, VectorLayout
from autoglm_core.privacy.masks import CHUNK, MaskStream, mask, unmask
from autoglm_core.privacy.messages import MessageKind
from autoglm_core.privacy.ring import (
    BadWeight,
    NonFiniteUpdate,
    dequantize_sum,
    levels_for,
    quantize,
    rounding_key,
)
from autoglm_core.privacy.roster import BadRoster, Roster
from autoglm_core.privacy.sealing import NotSealedForUs, StudyKey, open_sealed, probe_context, seal
from autoglm_core.privacy.session_keys import SEALED_BYTES, ShareChannel, public_key
from autoglm_core.privacy.session_spec import Purpose, SessionSpec
from autoglm_core.privacy.shamir import PRIME, combine, split
from autoglm_core.privacy.threshold import assumed_colluders, threshold
from autoglm_core.privacy.vectors import ClearVector, MaskedVector, WrongVector
from support.secure_sum_wire import Deployment, random_vector

KEY = bytes(range(32))
fast = settings(max_examples=60, derandomize=True, deadline=None)


# Encoding


@fast
@given(st.binary(max_size=40), st.text(max_size=9), st.lists(st.text(max_size=4), max_size=4), st.integers(0, 2**60))
def test_what_is_written_is_read(blob: bytes, text: str, texts: list[str], number: int) -> None:
    data = Writer().blob(blob).text(text).texts(texts).u64(number).flag(True).f64(-0.0).finish()
    reader = Reader(data, what="test")
    assert (reader.blob(), reader.text(), reader.texts(), reader.u64()) == (blob, text, tuple(texts), number)
    assert reader.flag() is True
    assert reader.f64() == 0.0
    reader.end()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_only_finite_numbers_are_encoded(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Writer().f64(value)


def test_a_count_that_cannot_fit_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(Malformed):
        Reader(Writer().u32(2**32 - 1).finish(), what="test").texts()


# Ring


def spec_for(sites: int = 4, **changes: Any) -> SessionSpec:
    return Deployment.of(sites).spec(**changes)


@fast
@given(st.integers(1, 100), st.sampled_from([16, 32]))
def test_no_sum_of_extremes_leaves_the_ring(sites: int, bits: int) -> None:
    levels = levels_for(sites, bits)
    assert levels >= 1
    assert sites * levels < 2 ** (bits - 1) <= sites * (levels + 1)


@fast
@given(st.integers(0, 2**32), st.sampled_from([16, 32]), st.integers(1, 1000), st.sampled_from([0.01, 1.0, 16.0]))
def test_quantizing_is_within_one_level(seed: int, bits: int, weight: int, clip: float) -> None:
    spec = spec_for(parameters=300, ring_bits=bits, levels=levels_for(4, bits), clip=clip)
    delta = np.random.default_rng(seed).normal(size=300).astype(np.float32)
    body, clipped = quantize(delta, weight=weight, spec=spec, rounding_key=KEY)
    wanted = delta.astype(np.float64) * weight / spec.weight_cap
    assert clipped == np.count_nonzero(np.abs(wanted) > clip)
    wanted = np.clip(wanted, -clip, clip) * spec.levels / clip
    got = body.view(f"<i{bits // 8}").astype(np.float64)
    assert np.abs(got - wanted).max() <= 1
    assert np.abs(got).max() <= spec.levels


def test_rounding_is_unbiased_and_repeats() -> None:
    spec = spec_for(parameters=200_000, levels=100, clip=1.0)
    delta = np.full(200_000, 0.1234, np.float32)
    body, _ = quantize(delta, weight=1000, spec=spec, rounding_key=KEY)
    assert set(np.unique(body)) == {12, 13}
    assert abs(body.mean() - 12.34) < 0.005
    again, _ = quantize(delta, weight=1000, spec=spec, rounding_key=KEY)
    other, _ = quantize(delta, weight=1000, spec=spec, rounding_key=KEY[::-1])
    assert (body == again).all()
    assert (body != other).any()


@pytest.mark.parametrize("bits", [16, 32])
def test_the_weighted_mean_comes_back(bits: int) -> None:
    spec = spec_for(parameters=5000, ring_bits=bits, levels=levels_for(4, bits), clip=1.0)
    rng = np.random.default_rng(5)
    deltas, weights = rng.normal(scale=0.1, size=(4, 5000)).astype(np.float32), [300, 1000, 1, 0]
    total = sum(
        quantize(delta, weight=weight, spec=spec, rounding_key=bytes([site]) * 32)[0]
        for site, (delta, weight) in enumerate(zip(deltas, weights, strict=True))
    )
    assert isinstance(total, np.ndarray)
    mean = dequantize_sum(total, clip=1.0, levels=spec.levels, weight_cap=1000, weight_sum=1301)
    wanted = np.average(deltas, axis=0, weights=weights)
    assert mean.dtype == np.float32
    assert np.abs(mean - wanted).max() < (1e-6 if bits == 32 else 4 * 1000 / 1301 / spec.levels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_updates_are_refused(value: float) -> None:
    delta = np.zeros(5, np.float32)
    delta[3] = value
    with pytest.raises(NonFiniteUpdate):
        quantize(delta, weight=1, spec=spec_for(), rounding_key=KEY)


def test_huge_but_finite_updates_are_clipped() -> None:
    delta = np.array([3e38, -3e38, 0, 16, -16], np.float32)
    body, clipped = quantize(delta, weight=1000, spec=spec_for(), rounding_key=KEY)
    levels = spec_for().levels
    assert [int(value) for value in body.view("<i4")] == [levels, -levels, 0, levels, -levels]
    assert clipped == 2


@pytest.mark.parametrize("weight", [-1, 1001])
def test_a_weight_outside_the_cap_is_refused(weight: int) -> None:
    with pytest.raises(BadWeight):
        quantize(np.zeros(5, np.float32), weight=weight, spec=spec_for(), rounding_key=KEY)


def test_a_delta_of_another_length_is_refused() -> None:
    with pytest.raises(WrongVector):
        quantize(np.zeros(6, np.float32), weight=1, spec=spec_for(), rounding_key=KEY)


def test_a_repeated_round_rounds_alike_and_another_round_does_not() -> None:
    spec = spec_for()
    again = replace(spec, attempt=9, session_id=bytes(32))
    assert rounding_key(KEY, spec) == rounding_key(KEY, again)
    assert rounding_key(KEY, spec) != rounding_key(KEY, replace(spec, round=5))
    assert rounding_key(KEY, spec) != rounding_key(KEY, replace(spec, trial="aa" * 32))


# Masks


LAYOUTS = [VectorLayout(150_001, 16, 3), VectorLayout(100_003, 32, 40_000), VectorLayout(0, 32, 5)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mask_is_the_plain_keystream_added_lane_by_lane(layout: VectorLayout) -> None:
    vector = random_vector(layout, 1)
    masked = mask(vector, [MaskStream(KEY, subtract=False)])
    stream = Cipher(AES256(KEY), CTR(bytes(16))).encryptor().update(bytes(layout.byte_size))
    expected = MaskedVector.from_bytes(layout, bytearray(stream))
    expected.add(MaskedVector(body=vector.body, tail=vector.tail))
    assert masked.to_bytes() == expected.to_bytes()
    assert layout.byte_size < 200 or layout.byte_size > CHUNK


@fast
@given(st.integers(0, 200), st.sampled_from([16, 32]), st.integers(0, 60), st.integers(0, 99), st.integers(1, 4))
def test_masks_cancel_exactly(body: int, bits: int, tail: int, seed: int, parts: int) -> None:
    vector = random_vector(VectorLayout(body, bits, tail), seed)
    streams = [MaskStream(bytes([i]) * 32, subtract=i % 2 == 0) for i in range(3)]
    masked = mask(vector, streams)
    assert unmask(masked, [stream.inverse() for stream in streams], parts=parts).to_bytes() == vector.to_bytes()


def test_any_number_of_parts_gives_the_same_bits() -> None:
    layout = VectorLayout(300_000, 32, 1001)
    streams = [MaskStream(KEY, subtract=True), MaskStream(KEY[::-1], subtract=False)]
    images = set()
    for parts in (1, 2, 3, 7):
        start = random_vector(layout, 5)
        running = MaskedVector(body=start.body, tail=start.tail)
        images.add(unmask(running, streams, parts=parts).to_bytes())
    assert len(images) == 1


def test_clear_and_masked_are_different_types() -> None:
    assert not issubclass(ClearVector, MaskedVector)
    assert not issubclass(MaskedVector, ClearVector)


def test_a_vector_reads_only_an_image_of_its_exact_length() -> None:
    layout = VectorLayout(3, 16, 1)
    assert layout.byte_size == 14
    with pytest.raises(WrongVector):
        MaskedVector.from_bytes(layout, bytes(15))
    with pytest.raises(BadLayout):
        VectorLayout(3, 24, 1)


# Shamir


@fast
@given(st.integers(0, 2**256 - 1), st.integers(1, 12), st.data())
def test_any_threshold_of_shares_gives_the_secret(secret: int, count: int, data: st.DataObject) -> None:
    needed = data.draw(st.integers(1, count))
    xs = data.draw(st.lists(st.integers(1, 200), min_size=count, max_size=count, unique=True))
    shares = split(secret, xs=xs, threshold=needed, entropy=os.urandom)
    chosen = data.draw(st.permutations(shares))
    assert combine(chosen[:needed]) == secret
    if needed > 1:
        assert combine(chosen[: needed - 1]) != secret


def test_fewer_shares_fit_every_secret() -> None:
    """Perfect secrecy, seen on one case: for any guess there is a share that would prove it."""
    shares = split(42, xs=[1, 2, 3], threshold=3, entropy=os.urandom)
    for guess in (0, 7, PRIME - 1):
        (x1, y1), (x2, y2) = shares[:2]
        # The polynomial through (0, guess), (1, y1), (2, y2) gives the third share.
        y3 = (guess - 3 * y1 + 3 * y2) % PRIME
        assert combine([(x1, y1), (x2, y2), (3, y3)]) == guess


@pytest.mark.parametrize(("xs", "needed"), [([], 1), ([0, 1], 1), ([1, 1], 1), ([1, 2], 3), ([1, 2], 0)])
def test_impossible_sharings_are_refused(xs: list[int], needed: int) -> None:
    with pytest.raises(ValueError):
        split(5, xs=xs, threshold=needed, entropy=os.urandom)


def test_threshold_formula() -> None:
    table = {3: (1, 3), 4: (1, 3), 5: (1, 4), 7: (2, 5), 10: (3, 7), 100: (33, 67)}
    for sites, (colluders, needed) in table.items():
        assert assumed_colluders(sites) == colluders
        assert threshold(sites, colluders=colluders) == needed


@fast
@given(st.integers(3, 100))
def test_two_survivor_lists_cannot_both_collect_a_threshold(sites: int) -> None:
    """Each honest site signs once; the colluders sign both."""
    colluders = assumed_colluders(sites)
    needed = threshold(sites, colluders=colluders)
    assert 2 * needed > (sites - colluders) + 2 * colluders


# Share channels


def test_shares_open_only_for_the_same_peer_session_and_view() -> None:
    mine, theirs = bytes([3]) * 32, bytes([5]) * 32

    def channel(private: bytes, peer_private: bytes, **changes: Any) -> ShareChannel:
        names: dict[str, Any] = {"spec": KEY, "own": "b", "peer": "a", "view": KEY, **changes}
        return ShareChannel(private, public_key(peer_private), **names)

    seed, key = bodies.OpenShare(1, bytes(32)), bodies.OpenShare(2, bytes(32))
    sealed = channel(mine, theirs, own="a", peer="b").seal(seed, key)
    assert len(sealed) == SEALED_BYTES
    assert len(channel(theirs, mine).open(sealed)) == 130
    other_spec, other_view = channel(theirs, mine, spec=bytes(32)), channel(theirs, mine, view=bytes(32))
    reflected, third = channel(mine, theirs, own="a", peer="b"), channel(bytes([7]) * 32, mine)
    for stranger in (other_spec, other_view, reflected, third):
        with pytest.raises(BadShare):
            stranger.open(sealed)


# Keys, roster, spec


def test_a_signature_is_bound_to_its_message_name() -> None:
    key = SiteKey.generate()
    signature = key.sign("advert", b"body")
    key.public.verify("advert", b"body", signature)
    for name, body in (("shares", b"body"), ("advert", b"other")):
        with pytest.raises(BadSignature):
            key.public.verify(name, body, signature)
    assert SiteKey.from_bytes(key.to_bytes()).public == key.public
    assert key.to_bytes().hex() not in repr(key)
    with pytest.raises(Malformed):
        SitePublicKey(b"short")


def test_a_roster_is_its_bytes() -> None:
    roster = Deployment.of(4).roster
    assert Roster.decode(roster.encode()) == roster
    assert replace(roster, minimum_cohort=4).hash != roster.hash
    first, *others = roster.sites
    with pytest.raises(BadRoster):
        replace(roster, sites=(*others, first))
    with pytest.raises(BadRoster):
        replace(roster, sites=(first, replace(others[0], public_key=first.public_key)))


OTHERS: dict[type, Any] = {str: "zz", int: 12345, float: 0.125, bytes: b"\x07" * 32, tuple: ("zz",), bool: False}


@pytest.mark.parametrize("name", [field.name for field in fields(SessionSpec)])
def test_every_field_of_the_spec_is_in_its_hash(name: str) -> None:
    spec = spec_for()
    value = getattr(spec, name)
    changes: dict[str, Any] = {name: {"purpose": Purpose.TEST, "ring_bits": 16}.get(name, OTHERS.get(type(value)))}
    changed = replace(spec, **changes)
    assert changed.hash != spec.hash
    assert SessionSpec.decode(changed.encode()) == changed
    assert changed.differences(spec) == (name,)


def test_a_sum_about_no_model_is_released_for_the_study() -> None:
    assert spec_for(models=()).subjects == (spec_for().study_hash,)


# Sealing


def test_sealed_metrics_open_for_the_study_key_alone() -> None:
    study, device = StudyKey.generate(), SiteKey.generate()
    sealed = seal(study.public, b"latency 3 ms", context=b"probe 1", signer=device)
    assert b"latency" not in sealed
    assert open_sealed(study.private, sealed, context=b"probe 1", signer=device.public.raw) == b"latency 3 ms"
    assert StudyKey.from_bytes(study.private) == study
    wrong = [(StudyKey.generate().private, sealed, b"probe 1"), (study.private, sealed, b"probe 2")]
    for private, data, context in [*wrong, (study.private, sealed[:-1], b"probe 1"), (study.private, b"", b"probe 1")]:
        with pytest.raises(NotSealedForUs):
            open_sealed(private, data, context=context, signer=device.public.raw)
    with pytest.raises(BadSignature):
        open_sealed(study.private, sealed, context=b"probe 1", signer=SiteKey.generate().public.raw)


ASKED: dict[str, Any] = {"agent_id": "kit-1", "study_id": "heart-7f3a", "sequence": 7, "manifest": b"[]"}


@pytest.mark.parametrize(
    "change", [{"agent_id": "kit-2"}, {"study_id": "heart-0000"}, {"sequence": 8}, {"manifest": b"[0]"}], ids=str
)
def test_a_devices_figures_open_only_as_the_answer_to_what_it_was_asked(change: Mapping[str, Any]) -> None:
    study, device = StudyKey.generate(), SiteKey.generate()
    sealed = seal(study.public, b"latency 3 ms", context=probe_context(**ASKED), signer=device)
    assert open_sealed(study.private, sealed, context=probe_context(**ASKED), signer=device.public.raw)
    with pytest.raises(NotSealedForUs):
        open_sealed(study.private, sealed, context=probe_context(**{**ASKED, **change}), signer=device.public.raw)


def test_sealed_metrics_cannot_be_passed_on_to_another_study() -> None:
    """Whoever opens one cannot seal its content and signature again for someone else."""
    study, other, device = StudyKey.generate(), StudyKey.generate(), SiteKey.generate()
    mine = seal(other.public, b"x", context=b"c", signer=device)
    assert open_sealed(other.private, mine, context=b"c", signer=device.public.raw) == b"x"
    with pytest.raises(NotSealedForUs):
        open_sealed(study.private, mine, context=b"c", signer=device.public.raw)
    with pytest.raises(Malformed):
        seal(b"short", b"x", context=b"c", signer=device)


def test_message_kinds_on_the_wire_do_not_change() -> None:
    assert [kind.value for kind in MessageKind] == list(range(1, 11))
    assert MessageKind.SURVIVOR_SIGNATURE.label == "survivor-signature"
