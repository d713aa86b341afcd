"""The pattern of random-k: what the specification says, the same wherever it is asked for, and fair in the long run."""

from __future__ import annotations

import struct
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import hmac
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256

from autoglm_compression.updates.pattern import lanes_for, pattern_of, smallest
from support.secure_sum_wire import Deployment

DEPLOYMENT = Deployment.of(4)


def from_the_document(study_hash: str, trial: str, number: int, *, dimension: int, lanes: int) -> list[int]:
    """`docs/secure-sum.md` word by word, without anything of ours: HKDF-SHA256, AES-256-CTR, sort, take, sort."""

    def text(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    def keyed(key: bytes, data: bytes) -> bytes:
        code = hmac.HMAC(key, SHA256())
        code.update(data)
        return code.finalize()

    context = text(trial.encode()) + struct.pack(">I", number)
    info = text(b"autoglm/v1/pattern") + text(context)
    key = keyed(keyed(bytes(32), bytes.fromhex(study_hash)), info + b"\x01")
    stream = Cipher(AES256(key), CTR(bytes(16))).encryptor().update(bytes(4 * dimension))
    drawn = [int.from_bytes(stream[4 * i : 4 * i + 4], "little") for i in range(dimension)]
    return sorted(sorted(range(dimension), key=lambda i: (drawn[i], i))[:lanes])


def pattern(**changes: Any) -> list[int]:
    found = pattern_of(DEPLOYMENT.spec(**changes))
    assert found is not None
    return [int(index) for index in found]


@pytest.mark.parametrize(
    ("dimension", "lanes"), [(2, 1), (5, 3), (1000, 250), (70_000, 7_000), (70_000, 69_999), (65_536, 1), (131_073, 3)]
)
@pytest.mark.parametrize(("trial", "number"), [("", 1), ("cd" * 32, 1), ("cd" * 32, 2**32 - 1)])
def test_the_pattern_is_that_of_the_document(dimension: int, lanes: int, trial: str, number: int) -> None:
    study_hash = sha256(b"a study").hexdigest()
    expected = from_the_document(study_hash, trial, number, dimension=dimension, lanes=lanes)
    changes = {"study_hash": study_hash, "trial": trial, "round": number}
    assert pattern(parameters=lanes, dimension=dimension, **changes) == expected


def test_of_equal_draws_the_first_parameters_are_taken() -> None:
    drawn = np.array([7, 3, 7, 3, 9, 7, 0, 7], np.uint32)
    for lanes in range(1, drawn.size + 1):
        expected = sorted(sorted(range(drawn.size), key=lambda i: (int(drawn[i]), i))[:lanes])
        assert smallest(drawn, lanes).tolist() == expected


def test_every_site_and_every_attempt_has_the_same_pattern() -> None:
    spec = DEPLOYMENT.spec(parameters=50, dimension=500)
    other = Deployment.of(7).spec(parameters=50, dimension=500)
    same = replace(
        other, attempt=3, session_id=bytes(32), store_epoch=99, ring_bits=16, levels=1, manifest_hash="77" * 32
    )
    assert pattern_of(same) is not None
    assert np.array_equal(pattern_of(same), pattern_of(spec))  # type: ignore[arg-type]  # not None


@pytest.mark.parametrize("changes", [{"round": 5}, {"trial": "ce" * 32}, {"study_hash": "aa" * 32}], ids=str)
def test_another_round_tune_or_study_has_another_pattern(changes: dict[str, Any]) -> None:
    drawn = {"parameters": 50, "dimension": 500}
    assert pattern(**drawn, **changes) != pattern(**drawn)


def test_a_round_with_a_lane_for_every_parameter_has_none() -> None:
    assert pattern_of(DEPLOYMENT.spec(parameters=500, dimension=500)) is None


def test_over_many_rounds_each_parameter_is_carried_as_often_and_neighbours_are_not_carried_together() -> None:
    """Pearson's chi-squared of 2,000 rounds over 500 parameters, scaled for draws without replacement."""
    rounds, dimension, lanes = 2000, 500, 50
    carried = np.zeros((rounds, dimension))
    for number in range(rounds):
        found = pattern_of(DEPLOYMENT.spec(parameters=lanes, dimension=dimension, round=number))
        assert found is not None
        carried[number, found] = 1
    share = lanes / dimension
    counts = carried.sum(axis=0)
    statistic = float(((counts - rounds * share) ** 2).sum() / (rounds * share * (1 - share)))
    freedom = dimension - 1
    assert abs(statistic - freedom) < 5 * (2 * freedom) ** 0.5
    together = float((carried[:, 1:] * carried[:, :-1]).mean())
    expected = share * (lanes - 1) / (dimension - 1)
    assert together == pytest.approx(expected, abs=5 * (expected / (rounds * dimension)) ** 0.5)


@pytest.mark.parametrize(
    ("dimension", "share", "lanes"),
    [(0, 0.1, 0), (1, 0.01, 1), (10, 0.1, 1), (11, 0.1, 2), (1000, 0.25, 250), (999, 1.0, 999), (3, 1e-300, 1)],
)
def test_lanes_are_the_share_rounded_up_and_at_least_one(dimension: int, share: float, lanes: int) -> None:
    assert lanes_for(dimension, share) == lanes
