"""Federated rounds in process with compressed updates: the product's quantizer, patterns, feedback and aggregator.

There are no daemons and no masks. The masks of a session cancel in the ring to the last bit, so the sum of the sites'
integers, modulo the ring, is exactly what a session gives, and the weights are those that real daemons would train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from pooled import Pool

from autoglm_compression.updates.error_feedback import compress, first_residual
from autoglm_compression.updates.mean_delta import mean_delta
from autoglm_compression.updates.pattern import lanes_for, pattern_of
from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_coordinator.federation.aggregators import load_aggregator
from autoglm_core.configuration import Values
from autoglm_core.privacy.ring import levels_for, quantize, rounding_key
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.privacy.vectors import Body
from autoglm_core.workload import LocalRound, TrainOutcome, Vector


@dataclass(frozen=True)
class Width:
    """What updates have room for. `feedback` False is no option of the product: it shows what feedback is worth.

    `ring_bits`: of a lane. `random_k`: share of the parameters in a round. `rounds`: times the study's.
    """

    ring_bits: int = 32
    random_k: float = 1.0
    feedback: bool = True
    clip: float = 16.0
    rounds: int = 1

    def bytes_per_parameter(self, dimension: int) -> float:
        """Of one round's body."""
        return lanes_for(dimension, self.random_k) * self.ring_bits / 8 / dimension


@dataclass(frozen=True)
class Trained:
    """Final `parameters`, elements that the clip cut off, and the largest weighted delta of a site in any round."""

    parameters: Vector
    clipped: int
    largest: float


class Cohort:
    """The sites of `pool` in the rounds of one TUNE. `seed` decides initial weights, batches, patterns and rounding."""

    def __init__(self, pool: Pool, tune: Values, width: Width, *, seed: int) -> None:
        self._pool, self._tune, self._width = pool, tune, width
        self._name = f"{seed}"
        self._cap = int(pool.constants["rows"])
        self._residuals: list[Vector | None] = [None] * len(pool.sites)
        self._clipped, self._largest = 0, 0.0

    def train(self) -> Trained:
        """All rounds."""
        study, aggregator, state = self._pool.study, load_aggregator(self._tune), AggregatorState()
        parameters = self._pool.workload.model_side.initial(study, self._tune, self._draw("initial"))
        for number in range(1, self._width.rounds * study.rounds + 1):
            delta = self._round(parameters, self._spec(parameters.size, number))
            parameters, state = aggregator.step(parameters, delta, state)
        return Trained(parameters, self._clipped, self._largest)

    def _round(self, parameters: Vector, spec: SessionSpec) -> Vector:
        total = np.zeros(spec.parameters, spec.layout.body_dtype)
        weights = 0
        for site in range(len(self._pool.sites)):
            outcome = self._local(site, parameters, spec.round)
            delta = outcome.parameters - parameters
            body, clipped = self._body(site, delta, outcome.weight, spec)
            total += body
            weights += outcome.weight
            self._clipped += clipped
            self._largest = max(self._largest, float(np.abs(delta).max()) * outcome.weight / self._cap)
        return mean_delta(total, weight_sum=weights, spec=spec)

    def _body(self, site: int, delta: Vector, weight: int, spec: SessionSpec) -> tuple[Body, int]:
        key = rounding_key(self._draw(f"secret/{site}"), spec)
        pattern = pattern_of(spec)
        # At full width the product has no feedback either.
        if not self._width.feedback or (pattern is None and spec.ring_bits == Width.ring_bits):
            return quantize(delta if pattern is None else delta[pattern], weight=weight, spec=spec, rounding_key=key)
        residual = self._residuals[site]
        if residual is None:
            residual = first_residual(weight=weight, spec=spec, rounding_key=key)
        made = compress(delta, residual, weight=weight, spec=spec)
        self._residuals[site] = made.residual
        return made.body, made.clipped

    def _local(self, site: int, parameters: Vector, number: int) -> TrainOutcome:
        pool = self._pool
        train, at = pool.workload.site_side.train, LocalRound(number, self._draw(f"batches/{site}/{number}"))
        return train(pool.sites[site], pool.study, self._tune, parameters, pool.constants, at)

    def _draw(self, purpose: str) -> bytes:
        return sha256(f"{self._name}/{purpose}".encode()).digest()

    def _spec(self, dimension: int, number: int) -> SessionSpec:
        """A session's spec, of which only the arithmetic counts here: nobody sees it."""
        width, sites = self._width, len(self._pool.sites)
        return SessionSpec(
            suite=SUITE,
            roster_hash="00" * 32,
            cohort=tuple(f"site-{site}" for site in range(sites)),
            threshold=sites,
            minimum_cohort=sites,
            colluders=1,
            store_epoch=1,
            session_id=bytes(32),
            study_id="bench",
            study_hash=self._pool.study.hash,
            trial=self._name,
            round=number,
            attempt=1,
            purpose=Purpose.TRAIN,
            models=("00" * 32,),
            manifest_hash="00" * 32,
            configuration=b"{}",
            workload=self._pool.study.workload,
            workload_version=self._pool.study.workload_version,
            counters=b"[]",
            parameters=lanes_for(dimension, width.random_k),
            dimension=dimension,
            clip=width.clip,
            levels=levels_for(sites, width.ring_bits),
            ring_bits=width.ring_bits,
            weight_cap=self._cap,
        )


def paired(values: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """Mean difference and its standard error."""
    difference = np.subtract(values, reference)
    return float(difference.mean()), float(difference.std(ddof=1) / len(difference) ** 0.5)
