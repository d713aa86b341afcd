"""All that a session of the secure sum is about, as one value whose hash is in every key, signature and seal of it.

Binding the model alone is not enough: a coordinator that gives one site a learning rate and all others zero would
read that site's update out of a perfectly secure sum. So the whole round is bound: two sites that were told different
things derive different masks and refuse each other's signatures.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from autoglm_core.canonical import read_canonical
from autoglm_core.counters import BadCounters, CounterLayout
from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.privacy.layout import VectorLayout

SUITE = "autoglm/v1/complete-x25519-hkdf-sha256-aes256ctr-shamir256"
SESSION_ID_BYTES = 32
HASH_BYTES = 32


class Purpose(StrEnum):
    """What the sum is for; shares are released once per model and purpose."""

    CONSTANTS = "constants"
    TRAIN = "train"
    VALIDATE = "validate"
    TEST = "test"
    CALIBRATE = "calibrate"


@dataclass(frozen=True)
class SessionSpec:
    """One session. Hashes are 64 hexadecimal digits; `cohort` is sorted; `check_spec` says what a site accepts."""

    suite: str
    roster_hash: str
    cohort: tuple[str, ...]
    threshold: int
    """Shares, signatures and survivors needed."""
    minimum_cohort: int
    colluders: int
    store_epoch: int
    """Rises at every start of the coordinator; agents refuse a lower one."""
    session_id: bytes
    """32 random bytes, never used twice."""
    study_id: str
    study_hash: str
    trial: str
    """TUNE key, or empty."""
    round: int
    attempt: int
    purpose: Purpose
    models: tuple[str, ...]
    """Content hashes of every model that the counters or the delta describe."""
    manifest_hash: str
    configuration: bytes
    """Canonical JSON of the whole configuration."""
    workload: str
    workload_version: int
    counters: bytes
    """Canonical JSON of the `CounterLayout` of the whole tail, the weight of averaging included where there is one."""
    parameters: int
    """Lanes of the body."""
    dimension: int
    """Parameters of the model; more than `parameters` where the round carries a pattern of them (random-k)."""
    clip: float
    """Largest absolute weighted delta, in the parameters' unit."""
    levels: int
    """Q: a clipped delta becomes an integer in [-Q, Q]."""
    ring_bits: int
    weight_cap: int
    """Largest weight of a site, in training rows."""
    noise: float = 0.0
    """Standard deviation of the sum's differential-privacy noise, in levels; 0 until an accountant exists."""
    masked: bool = True
    """False only where the study says that the coordinator is trusted: vectors then travel clear."""

    def encode(self) -> bytes:
        """Canonical bytes: the fields in the order above.

        Raises:
            ValueError: a value does not fit its field.
        """
        writer = Writer().text(self.suite).text(self.roster_hash).texts(self.cohort)
        writer.u32(self.threshold).u32(self.minimum_cohort).u32(self.colluders).u64(self.store_epoch)
        writer.fixed(self.session_id, SESSION_ID_BYTES).text(self.study_id).text(self.study_hash).text(self.trial)
        writer.u32(self.round).u32(self.attempt).text(self.purpose.value).texts(self.models)
        writer.text(self.manifest_hash).blob(self.configuration).text(self.workload).u32(self.workload_version)
        writer.blob(self.counters).u64(self.parameters).u64(self.dimension).f64(self.clip).u64(self.levels)
        return writer.u8(self.ring_bits).u64(self.weight_cap).f64(self.noise).flag(self.masked).finish()

    @classmethod
    def decode(cls, data: bytes) -> SessionSpec:
        """Inverse of `encode`; says nothing about whether the values may be accepted.

        Raises:
            Malformed: not a session spec, or with a purpose or a layout that this version does not know.
        """
        reader = Reader(data, what="session spec")
        spec = cls(
            suite=reader.text(),
            roster_hash=reader.text(),
            cohort=reader.texts(),
            threshold=reader.u32(),
            minimum_cohort=reader.u32(),
            colluders=reader.u32(),
            store_epoch=reader.u64(),
            session_id=reader.fixed(SESSION_ID_BYTES),
            study_id=reader.text(),
            study_hash=reader.text(),
            trial=reader.text(),
            round=reader.u32(),
            attempt=reader.u32(),
            purpose=_purpose(reader.text()),
            models=reader.texts(),
            manifest_hash=reader.text(),
            configuration=reader.blob(),
            workload=reader.text(),
            workload_version=reader.u32(),
            counters=reader.blob(),
            parameters=reader.u64(),
            dimension=reader.u64(),
            clip=reader.f64(),
            levels=reader.u64(),
            ring_bits=reader.u8(),
            weight_cap=reader.u64(),
            noise=reader.f64(),
            masked=reader.flag(),
        )
        reader.end()
        return spec

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, raw."""
        return sha256(self.encode()).digest()

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, hexadecimal."""
        return self.digest.hex()

    @cached_property
    def counter_layout(self) -> CounterLayout:
        """What the tail holds.

        Raises:
            Malformed: `counters` is not the canonical JSON of a layout.
        """
        try:
            return CounterLayout.from_json(read_canonical(self.counters, what="session spec, counters"))
        except BadCounters:
            raise Malformed(what="session spec: counters") from None

    @cached_property
    def layout(self) -> VectorLayout:
        """Lanes of every site's vector.

        Raises:
            Malformed: `counters` is not a layout.
            BadLayout: too many lanes, or another ring than 16 or 32 bits.
        """
        return VectorLayout(body=self.parameters, body_bits=self.ring_bits, tail=self.counter_layout.size)

    @property
    def needed(self) -> int:
        """Sites that must be left in every phase: where there are masks, threshold and minimum cohort both bind."""
        return max(self.threshold, self.minimum_cohort) if self.masked else self.minimum_cohort

    @property
    def subjects(self) -> tuple[str, ...]:
        """What shares are released for, once: each model, or for sums about no model the study itself."""
        return self.models or (self.study_hash,)

    def differences(self, other: SessionSpec) -> tuple[str, ...]:
        """Names of the fields in which two specs differ."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name))


def _purpose(value: str) -> Purpose:
    try:
        return Purpose(value)
    except ValueError:
        raise Malformed(what="session spec: purpose") from None
