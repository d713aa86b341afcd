"""The parts of the secure sum one by one, for the published vectors: inputs and what they must give."""

from __future__ import annotations

from dataclasses import replace

from secure_sum_cast import Case, normal, stream

from autoglm_core.canonical import Json, digest
from autoglm_core.errors import AutoglmError
from autoglm_core.privacy.bodies import OpenShare, ShareKind
from autoglm_core.privacy.derivation import derive
from autoglm_core.privacy.layout import VectorLayout
from autoglm_core.privacy.masks import MaskStream, mask
from autoglm_core.privacy.ring import dequantize_sum, levels_for, quantize, rounding_key
from autoglm_core.privacy.sealing import StudyKey, open_sealed, seal
from autoglm_core.privacy.session_keys import (
    ShareChannel,
    agree,
    commitment,
    pair_stream,
    public_key,
    seed_hash,
    self_stream,
)
from autoglm_core.privacy.shamir import combine, split
from autoglm_core.privacy.vectors import ClearVector

SPEC = digest(b"a session spec")
VIEW = digest(b"a list of adverts")
LONG = 600_011
"""Bytes of a keystream: over two chunks of ours, and no multiple of a cipher block."""
FIELD = 2**255 - 19


def primitives(*, sealed_before: str) -> Json:
    """All of them by name; see `_sealed_metrics` for `sealed_before`."""
    return {
        "derive": [_derived(name, size) for name, size in (("short", 16), ("rounding", 32), ("long", 64))],
        "shamir": [_shared(xs, needed) for xs, needed in (([1, 2, 3], 3), ([2, 3, 5, 7, 100], 3), ([9, 4], 1))],
        "commitments": [_committed(kind) for kind in ShareKind],
        "seed_hash": _seed_hash(),
        "refused_keys": [key.hex() for key in _refused_keys()],
        "self_mask": _self_mask(),
        "pair_mask": _pair_mask(),
        "masked_zeros": [_masked_zeros(bits) for bits in (16, 32)],
        "share_sealing": _sealed_shares(),
        "sealed_metrics": _sealed_metrics(sealed_before),
        "quantize": [_quantized(bits, clip, weight) for bits, clip, weight in QUANTIZE],
    }


QUANTIZE = ((32, 0.7, 500), (16, 0.7, 123), (16, 0.05, 499), (32, 16.0, 1), (16, 1.0, 0))


def _derived(name: str, size: int) -> Json:
    secret, context = stream(f"secret {name}")(size), stream(f"context {name}")(size)
    key = derive(secret, label=name, context=context)
    return {"secret": secret.hex(), "label": name, "context": context.hex(), "key": key.hex()}


def _shared(xs: list[int], needed: int) -> Json:
    draws: list[bytes] = []
    source = stream(f"coefficients {xs}")

    def entropy(size: int) -> bytes:
        draws.append(source(size))
        return draws[-1]

    secret = bytes([255]) * 31 + bytes([needed])
    shares = split(int.from_bytes(secret, "big"), xs=xs, threshold=needed, entropy=entropy)
    assert combine(shares[-needed:]).to_bytes(32, "big") == secret
    return {
        "secret": secret.hex(),
        "threshold": needed,
        "draws": [draw.hex() for draw in draws],
        "shares": [{"x": x, "y": y.to_bytes(33, "big").hex()} for x, y in shares],
    }


def _open_share(name: str) -> OpenShare:
    return OpenShare(int.from_bytes(stream(name)(32), "big"), stream(f"salt of {name}")(32))


def _committed(kind: ShareKind) -> Json:
    share, names = _open_share(f"share {kind}"), {"dealer": "aarhus", "receiver": "cluj"}
    hashed = commitment(share, spec=bytes.fromhex(SPEC), kind=kind, **names)
    opened = {"share": share.y.to_bytes(33, "big").hex(), "salt": share.salt.hex()}
    return {"spec": SPEC, **names, "kind": int(kind), **opened, "commitment": hashed.hex()}


def _seed_hash() -> Json:
    seed = stream("a seed")(32)
    hashed = seed_hash(seed, spec=bytes.fromhex(SPEC), site="aarhus")
    return {"spec": SPEC, "site": "aarhus", "seed": seed.hex(), "hash": hashed.hex()}


def _refused_keys() -> list[bytes]:
    """Zero, one, p - 1, then p and above; the two points of order 8 (and so small that everybody knows the secret)."""
    plain = [0, 1, FIELD - 1, FIELD, FIELD + 1, 2**255 - 1, 2**255 + 9]
    order_8 = (
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    )
    return [value.to_bytes(32, "little") for value in (*plain, *order_8)]


def _keystream(stream_: MaskStream, size: int) -> Json:
    lanes = VectorLayout(body=size // 2, body_bits=16, tail=0)
    data = mask(ClearVector.zeros(lanes), [MaskStream(stream_.key, subtract=False)]).to_bytes()
    return {"key": stream_.key.hex(), **_long(data)}


def _long(data: bytes) -> Json:
    return {"bytes": len(data), "first": data[:32].hex(), "last": data[-32:].hex(), "sha256": digest(data)}


def _self_mask() -> Json:
    seed = stream("a seed")(32)
    keystream = _keystream(self_stream(seed, spec=bytes.fromhex(SPEC), site="cluj"), LONG)
    return {"spec": SPEC, "site": "cluj", "seed": seed.hex(), **keystream}


def _pair_mask() -> Json:
    private, peer_private = stream("mask key 1")(32), stream("mask key 2")(32)
    applied = pair_stream(private, public_key(peer_private), spec=bytes.fromhex(SPEC), own="cluj", peer="bern")
    assert applied.subtract
    return {
        **{"spec": SPEC, "own": "cluj", "peer": "bern", "private": private.hex(), "subtracts": applied.subtract},
        "peer_public": public_key(peer_private).hex(),
        "shared": agree(private, public_key(peer_private), site="bern").hex(),
        **_keystream(applied, LONG),
    }


def _masked_zeros(bits: int) -> Json:
    """A zero vector under one mask added and another subtracted: where each lane lies, and its ring."""
    layout = VectorLayout(body=20_001, body_bits=bits, tail=5)
    added, subtracted = (stream(f"mask {name}")(32) for name in ("added", "subtracted"))
    masked = mask(ClearVector.zeros(layout), [MaskStream(added, False), MaskStream(subtracted, True)])
    keys = {"added": added.hex(), "subtracted": subtracted.hex()}
    return {"parameters": layout.body, "ring_bits": bits, **keys, **_long(masked.to_bytes())}


def _sealed_shares() -> Json:
    private, peer_private = stream("share key 1")(32), stream("share key 2")(32)
    channel = ShareChannel(
        private,
        public_key(peer_private),
        spec=bytes.fromhex(SPEC),
        own="cluj",
        peer="bern",
        view=bytes.fromhex(VIEW),
    )
    shares = [_open_share("of a seed"), _open_share("of a mask key")]
    return {
        **{"spec": SPEC, "view": VIEW, "sender": "cluj", "receiver": "bern"},
        **{"sender_private": private.hex(), "receiver_private": peer_private.hex()},
        "shares": [{"share": share.y.to_bytes(33, "big").hex(), "salt": share.salt.hex()} for share in shares],
        "sealed": channel.seal(*shares).hex(),
    }


def _sealed_metrics(before: str) -> Json:
    """HPKE draws its own entropy, so what was sealed `before` (hexadecimal) stays as long as it opens."""
    study_key, signer = StudyKey.from_bytes(stream("study key")(96)), Case("", "", sites=1).key("aarhus")
    context, clear = b"device-17", b'{"items":{},"latency_ms":4.5}'
    try:
        opened = open_sealed(study_key.private, bytes.fromhex(before), context=context, signer=signer.public.raw)
    except AutoglmError:
        opened = b""
    if opened != clear:
        before = seal(study_key.public, clear, context=context, signer=signer).hex()
    return {
        **{"private": study_key.private.hex(), "public": study_key.public.hex(), "context": context.hex()},
        **{"signer": signer.public.raw.hex(), "clear": clear.hex(), "sealed": before},
    }


def _quantized(bits: int, clip: float, weight: int) -> Json:
    case = Case(f"quantize {bits} {clip}", "", sites=4, ring_bits=bits, parameters=24, dimension=24)
    spec = replace(case.spec, clip=clip, levels=levels_for(4, bits))
    delta = normal(case.name, 24, 0.6)
    delta[:6] = (0.0, -0.0, 1e-9, -1e-9, 3e38, -3e38)
    secret = stream("a site's secret")(32)
    key = rounding_key(secret, spec)
    lanes, clipped = quantize(delta, weight=weight, spec=spec, rounding_key=key)
    mean = dequantize_sum(lanes, clip=clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=max(weight, 1))
    about = {name: getattr(spec, name) for name in ("study_hash", "trial", "round", "clip", "levels", "weight_cap")}
    return {
        **{**about, "purpose": str(spec.purpose), "ring_bits": bits, "weight": weight},
        **{"site_secret": secret.hex(), "rounding_key": key.hex(), "delta": delta.tobytes().hex()},
        **{"lanes": lanes.view(f"<i{bits // 8}").tolist(), "clipped": clipped},
        "mean_delta": mean.tobytes().hex(),
    }
