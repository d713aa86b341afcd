"""Sections 3 to 6 of docs/secure-sum.md, from the document alone: encodings, numbers, shares, derived keys.

With `secure_sum_verifier` an implementation that shares no line with ours. `fields` are those of a session's spec.
"""

import json
import struct
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

P, P_X25519, BASE_POINT = 2**256 + 297, 2**255 - 19, (9).to_bytes(32, "little")
SPEC_FIELDS = """suite:text roster_hash:text cohort:texts threshold:I minimum_cohort:I colluders:I store_epoch:Q
session_id:hex study_id:text study_hash:text trial:text round:I attempt:I purpose:text models:texts manifest_hash:text
configuration:text workload:text workload_version:I counters:text parameters:Q dimension:Q clip:d levels:Q ring_bits:B
weight_cap:Q noise:d masked:B""".split()
unhex = bytes.fromhex


def text(value: str | bytes) -> bytes:  # 3
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def many(items: Sequence[bytes]) -> bytes:
    return struct.pack(">I", len(items)) + b"".join(items)


FORMS: dict[str, Callable[[Any], bytes]] = {form: struct.Struct(f">{form}").pack for form in "BIQd"}
FORMS |= {"text": text, "texts": lambda values: many([text(value) for value in values]), "hex": unhex}


def spec_bytes(fields: Any) -> bytes:
    return b"".join(FORMS[form](fields[name]) for name, form in (field.split(":") for field in SPEC_FIELDS))


def roster_bytes(roster: Any) -> bytes:
    sites = [text(site["site_id"]) + text(site["name"]) + unhex(site["public_key"]) for site in roster["sites"]]
    head = text("autoglm/v1/roster") + FORMS["I"](roster["version"]) + text(roster["deployment"])
    return head + FORMS["I"](roster["minimum_cohort"]) + FORMS["I"](roster["colluders"]) + many(sites)


def sha(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def derive(secret: bytes, label: str, *context: bytes) -> bytes:  # 4
    return HKDF(SHA256(), 32, None, text(f"autoglm/v1/{label}") + text(b"".join(context))).derive(secret)


@cache
def stream(key: bytes, size: int) -> bytes:
    return Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(size))


def words(key: bytes, count: int) -> list[int]:
    drawn: list[int] = np.frombuffer(stream(key, 4 * count), "<u4").tolist()
    return drawn


def lanes(fields: Any, image: bytes, kind: str = "u") -> tuple[Any, Any]:  # 5; tail, then body
    width = fields["ring_bits"] // 8
    tail = len(image) - width * fields["parameters"]
    return np.frombuffer(image[:tail], f"<{kind}8"), np.frombuffer(image[tail:], f"<{kind}{width}")


def add(fields: Any, image: bytes, other: bytes, sign: int = 1) -> bytes:
    pairs = zip(lanes(fields, image), lanes(fields, other), strict=True)
    return b"".join((a + b if sign > 0 else a - b).tobytes() for a, b in pairs)


def quantize(fields: Any, delta: Any, weight: int, site_secret: bytes, half: bool = False) -> tuple[list[int], int]:
    # 5.2; 5.4 where u is one half
    limit, named = fields["levels"] * 2.0**32, text(fields["study_hash"]) + text(fields["trial"])
    key = derive(site_secret, "rounding", named, FORMS["I"](fields["round"]), text(fields["purpose"]))
    x = delta.astype("f8") * (weight / fields["weight_cap"] * (fields["levels"] / fields["clip"]) * 2.0**32)
    drawn = [2**31] * len(x) if half else words(key, len(x))
    fixed = zip(np.clip(x, -limit, limit).tolist(), drawn, strict=True)
    return [(int(y) + u) >> 32 for y, u in fixed], int((abs(x) > limit).sum())


def mean(fields: Any, body: Any, weight: int) -> Any:
    scale = fields["clip"] / fields["levels"] * (fields["weight_cap"] / weight)
    return (np.array(body, "f8") * scale).astype("<f4")


def pattern(fields: Any) -> list[int]:  # 5.3; every index where each parameter has a lane
    key = derive(unhex(fields["study_hash"]), "pattern", text(fields["trial"]), FORMS["I"](fields["round"]))
    drawn = words(key, fields["dimension"])
    return sorted(sorted(range(len(drawn)), key=lambda i: (drawn[i], i))[: fields["parameters"]])


def clear_image(fields: Any, site: Any) -> bytes:  # 5.1, 5.4
    x, chosen = np.frombuffer(unhex(site["delta"]), "<f4").copy(), pattern(fields)
    if "residual" in site:
        x += np.frombuffer(unhex(site["residual"]), "<f4")
    body, clipped = quantize(fields, x[chosen], site["weight"], unhex(site["site_secret"]), "residual" in site)
    if "residual" in site:
        x[chosen] -= mean(fields, body, site["weight"])
        assert site["residual_after"] == x.tobytes().hex()
    values = {**site["counters"], "weight": site["weight"], "clipped": clipped}
    tail = [np.ravel(np.rint(np.multiply(values[f["name"]], f["scale"]))) for f in json.loads(fields["counters"])]
    return np.concatenate(tail).astype("<i8").tobytes() + np.array(body, f"<i{fields['ring_bits'] // 8}").tobytes()


@cache
def agree(private: bytes, public: bytes = BASE_POINT) -> bytes:  # 6; with the base point: one's own public key
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def refused(key: bytes) -> bool:
    try:
        return not 2 <= int.from_bytes(key, "little") <= P_X25519 - 2 or not agree(bytes([1]) * 32, key)
    except ValueError:
        return True


def deal(secret: bytes, coefficients: Sequence[bytes], xs: Sequence[int]) -> list[bytes]:
    terms = [int.from_bytes(part, "big") for part in (secret, *coefficients)]
    return [(sum(term * x**power for power, term in enumerate(terms)) % P).to_bytes(33, "big") for x in xs]


def interpolate(points: dict[int, bytes]) -> bytes:
    weights = {x: prod(y * pow(y - x, -1, P) for y in points if y != x) for x in points}
    return (sum(int.from_bytes(share, "big") * weights[x] for x, share in points.items()) % P).to_bytes(32, "big")


class Keys:
    """What is derived under `spec`, the hash of a session's spec."""

    def __init__(self, spec: bytes) -> None:
        self.spec = spec

    def commitment(self, dealer: str, receiver: str, kind: int, opened: bytes) -> bytes:
        return sha(text("autoglm/v1/share"), self.spec, text(dealer), text(receiver), bytes([kind]), opened)

    def seed_hash(self, site: str, seed: bytes) -> bytes:
        return sha(text("autoglm/v1/seed-hash"), self.spec, text(site), seed)

    def sealing(self, secret: bytes, view: bytes, sender: str, receiver: str) -> tuple[AESGCM, bytes]:
        associated = self.spec + view + text(sender) + text(receiver)
        return AESGCM(derive(secret, "share-key", associated)), associated

    def self_key(self, site: str, seed: bytes) -> bytes:
        return derive(seed, "self-mask", self.spec, text(site))

    def pair_key(self, one: str, other: str, secret: bytes) -> bytes:
        return derive(secret, "pair-mask", self.spec, *map(text, sorted((one, other))))
