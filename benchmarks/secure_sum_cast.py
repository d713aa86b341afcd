"""The cast of the published vectors of the secure sum: sites, their numbers, and entropy that is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import shake_256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.updates.error_feedback import compress
from autoglm_core.canonical import Json, canonical_json, digest
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy.coordinator_session import Phase
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.ring import levels_for, quantize, rounding_key
from autoglm_core.privacy.roster import Roster, RosterSite
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.privacy.vectors import ClearVector

NAMES = ("aarhus", "bern", "cluj", "delft", "evora", "fes", "ghent", "haifa", "izmir", "jena", "kobe")
OUTSIDE = ("bern", "kobe")
"""In the roster and in no cohort: a share's x is the place in the roster, not in the cohort."""
TAIL = CounterLayout(
    (
        CounterField("weight"),
        CounterField("0/loss", (), 1024.0),
        CounterField("0/confusion", (2, 2)),
        CounterField("clipped"),
    )
)


def stream(name: str) -> Callable[[int], bytes]:
    """Entropy for vectors: draws from the start of SHAKE-256 of `name`, one after the other."""
    drawn = 0

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += size
        return shake_256(name.encode()).digest(drawn)[-size:]

    return draw


def normal(name: str, size: int, scale: float) -> NDArray[np.float32]:
    """`(size,)` float32, bell-shaped, exactly the same on every machine: sums of uniform integers."""
    uniform = np.frombuffer(stream(name)(16 * size), "<u4").reshape(size, 4).astype(np.float64)
    drawn: NDArray[np.float32] = ((uniform.sum(axis=1) / 2.0**32 - 2.0) * scale).astype(np.float32)
    return drawn


@dataclass(frozen=True)
class Case:
    """One session: what is special about it. `silent_from`: the first phase in which a site says nothing."""

    name: str
    about: str
    sites: int
    ring_bits: int = 32
    parameters: int = 12
    dimension: int = 12
    silent_from: Mapping[str, Phase] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cohort(self) -> tuple[str, ...]:
        """The first sites of the roster that are not `OUTSIDE`."""
        return tuple(name for name in NAMES if name not in OUTSIDE)[: self.sites]

    def key(self, site: str) -> SiteKey:
        """A site has the same key in every session."""
        return SiteKey.from_bytes(stream(f"site key of {site}")(32))

    @property
    def roster(self) -> Roster:
        """Every site, the cohort's and the others."""
        names = sorted({*self.cohort, *OUTSIDE})
        listed = tuple(RosterSite(name, f"Spital {name.title()} \u00e9", self.key(name).public.raw) for name in names)
        return Roster(version=3, deployment="vectors", sites=listed)

    @property
    def spec(self) -> SessionSpec:
        """A training round, unless `changes` say otherwise."""
        roster = self.roster
        spec = SessionSpec(
            suite=SUITE,
            roster_hash=roster.hash,
            cohort=self.cohort,
            threshold=roster.threshold(self.sites),
            minimum_cohort=3,
            colluders=roster.colluders_for(self.sites),
            store_epoch=2**40 + 7,
            session_id=stream(f"session id of {self.name}")(32),
            study_id="heart-7f3a",
            study_hash=digest(b"a study"),
            trial=digest(b"a tune"),
            round=4,
            attempt=2,
            purpose=Purpose.TRAIN,
            models=(digest(b"a model"),),
            manifest_hash=digest(b"a manifest"),
            configuration=canonical_json([{"deploy": {}, "tune": {"learning_rate": 0.05}}]),
            workload="tabular-classification",
            workload_version=1,
            counters=canonical_json(TAIL.to_json()),
            parameters=self.parameters,
            dimension=self.dimension,
            clip=0.7,
            levels=levels_for(self.sites, self.ring_bits),
            ring_bits=self.ring_bits,
            weight_cap=500,
        )
        return replace(spec, **self.changes)


@dataclass
class SiteInput:
    """A site's own numbers, as drawn, and every draw of its session's entropy."""

    case: Case
    site: str
    draws: list[bytes] = field(default_factory=list)
    residual_after: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self._entropy = stream(f"entropy of {self.site} in {self.case.name}")
        self.secret = stream(f"secret of {self.site}")(32)
        self.weight = 60 + 97 * (len(self.site) + self.case.cohort.index(self.site)) % 440
        self.delta = normal(f"delta of {self.site} in {self.case.name}", self.case.dimension, 0.9)
        self.residual = self._earlier_residual()
        self.loss = float(normal(f"loss of {self.site} in {self.case.name}", 1, 40.0)[0])
        self.confusion = np.frombuffer(stream(f"counts of {self.site} in {self.case.name}")(4), np.uint8)

    def _earlier_residual(self) -> NDArray[np.float32] | None:
        spec = self.case.spec
        if spec.ring_bits == 16 or spec.parameters < spec.dimension:
            return normal(f"residual of {self.site} in {self.case.name}", spec.dimension, 0.1)
        return None

    def entropy(self, size: int) -> bytes:
        """The session's entropy, kept."""
        self.draws.append(self._entropy(size))
        return self.draws[-1]

    def vector(self, spec: SessionSpec) -> ClearVector:
        """The clear vector of delta and counters; what it cannot carry becomes `residual_after`."""
        key = rounding_key(self.secret, spec)
        if self.residual is None:
            body, clipped = quantize(self.delta, weight=self.weight, spec=spec, rounding_key=key)
        else:
            sent = compress(self.delta, self.residual, weight=self.weight, spec=spec)
            body, clipped, self.residual_after = sent.body, sent.clipped, sent.residual
        counters = {**self.counters(), "weight": self.weight, "clipped": clipped}
        layout = spec.counter_layout
        tail = layout.encode({field.name: np.asarray(counters[field.name], np.float64) for field in layout.fields})
        return ClearVector(body=body, tail=tail.view(np.uint64))

    def counters(self) -> Json:
        """The counters that do not follow from `weight` and `delta`."""
        return {"0/loss": self.loss, "0/confusion": self.confusion.reshape(2, 2).tolist()}

    def to_json(self) -> Json:
        """What a second implementation starts from; with error feedback also what it must keep."""
        feedback = {"residual": self.residual, "residual_after": self.residual_after}
        return {
            **{name: value.tobytes().hex() for name, value in feedback.items() if value is not None},
            "site_key": self.case.key(self.site).to_bytes().hex(),
            "site_secret": self.secret.hex(),
            "entropy": [draw.hex() for draw in self.draws],
            "weight": self.weight,
            "delta": self.delta.tobytes().hex(),
            "counters": self.counters(),
        }


def roster_json(roster: Roster) -> Json:
    """Fields, bytes and hash."""
    sites = [{"site_id": s.site_id, "name": s.name, "public_key": s.public_key.hex()} for s in roster.sites]
    fields = {name: getattr(roster, name) for name in ("version", "deployment", "minimum_cohort", "colluders")}
    return {**fields, "sites": sites, "bytes": roster.encode().hex(), "sha256": roster.hash}


def spec_json(spec: SessionSpec) -> Json:
    """Fields, bytes and hash."""
    return {"fields": spec_fields(spec), "bytes": spec.encode().hex(), "sha256": spec.hash}


def spec_fields(spec: SessionSpec) -> Json:
    """By name; blobs of JSON as text."""
    values = {name: getattr(spec, name) for name in SessionSpec.__dataclass_fields__}
    values |= {"session_id": spec.session_id.hex(), "purpose": str(spec.purpose)}
    return {**values, "configuration": spec.configuration.decode(), "counters": spec.counters.decode()}
