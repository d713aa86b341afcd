"""The figures of `secure_sum.py`, each as a list of samples."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from sum_session import Exchange, Party, clear_vector, with_bits

from autoglm_agent.audit import AuditLog
from autoglm_agent.egress import Egress
from autoglm_agent.outgoing import UploadVector
from autoglm_core.privacy.bodies import Unmask
from autoglm_core.privacy.checkpoint import decode_record
from autoglm_core.privacy.coordinator_events import Completed, Opened
from autoglm_core.privacy.masks import CHUNK, MaskStream, Parallel, unmask
from autoglm_core.privacy.recovery import remaining_masks
from autoglm_core.privacy.session_keys import pair_stream, public_key
from autoglm_core.privacy.shamir import interpolate, split, weights_at_zero
from autoglm_core.privacy.site_events import InputReady, SiteInstruction, UploadMasked
from autoglm_core.privacy.vectors import MaskedVector

PARAMETERS, LONG = 1_000_000, 10_000_000
ROWS = 200
PAIRS = 256
STREAMS = 8
"""Masks in one timing of the generator."""
GRPC_PREFIX = 5
Update = np.ndarray[tuple[int], np.dtype[np.float32]]


@contextmanager
def cores(count: int) -> Iterator[None]:
    """This thread, and those that it starts, keep to `count` cores; to fewer where there are fewer."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def an_update() -> Update:
    """What training changed, of a usual size; seeded."""
    return np.random.default_rng(7).normal(0, 0.01, PARAMETERS).astype(np.float32)


def varying_bits(seeds: Sequence[int]) -> int:
    """How many bits are not the same in all of `seeds`."""
    return reduce(lambda bits, seed: bits | (seed ^ seeds[0]), seeds, 0).bit_count()


def pair_seeds() -> list[int]:
    """Keys of the mask streams of pairs of sites, each with new session keys."""
    pairs = ((os.urandom(32), public_key(os.urandom(32))) for _ in range(PAIRS))
    streams = (pair_stream(own, peer, spec=bytes(32), own="a", peer="b") for own, peer in pairs)
    return [int.from_bytes(stream.key, "big") for stream in streams]


class Round:
    """A session of `sites` sites over `PARAMETERS` parameters whose shares are all out; `mask` is what a site does."""

    def __init__(self, sites: int, *, bits: int = 32) -> None:
        party = Party.of(sites)
        self.exchange = Exchange(party, with_bits(party.spec(PARAMETERS), bits))
        self._update = an_update()

    def mask(self, site: str) -> tuple[float, list[SiteInstruction]]:
        """Seconds from the update to the upload, and the upload."""
        found: list[SiteInstruction] = []

        def work() -> None:
            vector = clear_vector(self.exchange.spec, self._update, rows=ROWS)
            found.extend(self.exchange.sites[site].handle(InputReady(vector)))

        return seconds(work), found


def mask_beside(other: Callable[[], object] | None, *, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each site of `rounds` sessions of ten to mask, and of `other`, in turn."""
    ours, theirs = [], []
    for _ in range(rounds):
        session = Round(10)
        for site in session.exchange.spec.cohort:
            ours.append(session.mask(site)[0])
            if other is not None:
                theirs.append(seconds(other))
    return ours, theirs


def wire_bytes(bits: int) -> int:
    """Bytes of one site's upload: protobuf messages, each with gRPC's prefix."""
    session = Round(4, bits=bits)
    (upload,) = (each for each in session.mask(session.exchange.spec.cohort[0])[1] if isinstance(each, UploadMasked))
    with tempfile.TemporaryDirectory() as folder:
        egress = Egress(AuditLog(Path(folder) / "audit"))
        message = UploadVector(session.exchange.spec.session_id, upload.vector, upload.message, "bench")
        return sum(GRPC_PREFIX + len(chunk.SerializeToString()) for chunk in egress.admit_upload(message))


def generator_fractions(repeat: int) -> list[float]:
    """Speed of masks made and added to a vector over that of AES-CTR alone, pair by pair."""
    vector = MaskedVector.zeros(Party.of(3).spec(PARAMETERS).layout)
    zeros, room = memoryview(bytes(CHUNK)), memoryview(bytearray(CHUNK + 16))

    def alone() -> None:
        for _ in range(STREAMS):
            update_into = Cipher(AES256(os.urandom(32)), CTR(bytes(16))).encryptor().update_into
            for start in range(0, vector.layout.byte_size, CHUNK):
                update_into(zeros[: vector.layout.byte_size - start], room)

    def added() -> None:
        unmask(vector, [MaskStream(os.urandom(32), subtract=False) for _ in range(STREAMS)])

    return [seconds(alone) / seconds(added) for _ in range(repeat)]


def add_fractions(repeat: int) -> list[float]:
    """Speed of `MaskedVector.add` over that of numpy's addition of the same lanes, pair by pair."""
    layout = Party.of(3).spec(LONG).layout
    running, other = MaskedVector.zeros(layout), MaskedVector.zeros(layout)
    other.body[:] = np.arange(LONG, dtype=np.uint32)
    running.add(other)
    return [
        seconds(lambda: np.add(running.body, other.body, out=running.body)) / seconds(lambda: running.add(other))
        for _ in range(repeat)
    ]


def shamir_seconds(sites: int, threshold: int, repeat: int) -> list[float]:
    """To deal one site's two secrets to all, and to rebuild one secret of each from the shares of `threshold`."""
    xs = range(1, sites + 1)
    secrets = [int.from_bytes(os.urandom(32), "big") for _ in range(sites)]
    dealt = [split(secret, xs=xs, threshold=threshold, entropy=os.urandom)[:threshold] for secret in secrets]

    def work() -> None:
        for secret in secrets[:2]:
            split(secret, xs=xs, threshold=threshold, entropy=os.urandom)
        weights = weights_at_zero([x for x, _ in dealt[0]])
        assert [interpolate(weights, [y for _, y in shares]) for shares in dealt] == secrets

    return [seconds(work) for _ in range(repeat)]


class DroppedThird:
    """A session of 100 sites of which 33 drop when their masks are in the others' vectors."""

    def __init__(self) -> None:
        session = Round(100)
        self.exchange = session.exchange
        self.mask_seconds = []
        for site in self.exchange.spec.cohort[: self.exchange.spec.threshold]:
            took, upload = session.mask(site)
            self.mask_seconds.append(took)
            self.exchange.deliver(site, upload)
        self.exchange.deadline()

    def key_seconds(self, repeat: int) -> list[float]:
        """To rebuild every secret and derive every mask that is left."""
        spec, roster = self.exchange.spec, self.exchange.party.roster
        assert self.exchange.stored is not None
        running = MaskedVector.from_bytes(spec.layout, self.exchange.running)
        summed = decode_record(self.exchange.stored.record, spec=spec, roster=roster, running=running)
        answers = {site: Unmask.decode(message.body) for site, message in self.exchange.unmasked}
        return [seconds(lambda: remaining_masks(summed, answers, spec=spec, roster=roster)) for _ in range(repeat)]

    def unmask_seconds(self, threads: int, repeat: int) -> list[float]:
        """From all shares to the clear sum, by the coordinator's session; each sum is compared with the first."""
        with ThreadPoolExecutor(threads) as pool:
            return [self._unmask(pool.map, threads) for _ in range(repeat)]

    def _unmask(self, parallel: Parallel, parts: int) -> float:
        machine = self.exchange.resumed(parallel=parallel, parts=parts)
        begun = time.perf_counter()
        *_, last = machine.handle(Opened())
        took = time.perf_counter() - begun
        assert isinstance(last, Completed)
        assert self.exchange.result is not None
        assert np.array_equal(last.result.body_sum, self.exchange.result.body_sum)
        return took
