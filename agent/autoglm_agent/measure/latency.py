"""Latency and energy of several models in one lease, so that all of them meet the same machine.

Blocks are spread evenly over the wall time and separated by pauses, because what disturbs a measurement (a timer, a
neighbour, a clock change) lasts longer than an inference. In each block every candidate takes turns in short bursts,
the reference model among them, each block starting with another one: what drifts, drifts for all. The first runs of a
burst refill the caches that the candidate before emptied and are not counted. Measuring one model after the other was
rejected: the order then decides the front.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from autoglm_agent.measure.errors import TooFewSamples
from autoglm_agent.measure.percentiles import percentile_of_blocks, samples_needed, standard_error
from autoglm_core.measurement import Measurement
from autoglm_workloads.child.energy import Meter

Inference = Callable[[], object]
"""Runs one inference, batch 1."""

BUSY_SHARE = 0.7
"""Part of a block's time that is measured; the rest is the pause before the next."""
BURST = timedelta(milliseconds=2)
WARM = timedelta(microseconds=300)
GIVE_UP = timedelta(seconds=90)
"""Wall time after which the candidates are called too slow for one lease."""


@dataclass(frozen=True)
class Plan:
    """How to measure. `samples`: fewest per candidate in all; `seconds`: fewest of wall time."""

    seconds: float = 1.0
    blocks: int = 10
    samples: int = samples_needed(95)

    @property
    def samples_per_block(self) -> int:
        """Fewest samples of a candidate in one block."""
        return -(-self.samples // self.blocks)


@dataclass
class Block:
    """What one candidate did in one block: `latencies` in ns, `cpu` in ns and `joules` over `inferences` of them."""

    latencies: list[int] = field(default_factory=list)
    cpu: int = 0
    joules: float = 0.0


@dataclass(frozen=True)
class Timing:
    """Figures of one candidate. `cpu_ms` beside a smaller p50 shows threads; beside a larger one, waiting."""

    p50_ms: Measurement
    p95_ms: Measurement
    cpu_ms: Measurement
    energy_mj: Measurement
    relative_p50: Measurement
    """p50 over the reference's p50 of the same block: what remains when the machine's drift is taken out."""


def measure(candidates: Mapping[str, Inference], *, reference: str, meter: Meter, plan: Plan) -> dict[str, Timing]:
    """Time every candidate.

    Args:
        candidates: by key; already warmed up.
        reference: key of the candidate that the others are set against.
        meter: read around every burst.
        plan: time, blocks and samples.

    Raises:
        TooFewSamples: the candidates are too slow for `GIVE_UP`; measure fewer together.
    """
    blocks = _run_blocks(candidates, meter, plan)
    against = _block_percentiles(blocks[reference])
    return {key: _timing(entry, against, meter) for key, entry in blocks.items()}


def _run_blocks(candidates: Mapping[str, Inference], meter: Meter, plan: Plan) -> dict[str, list[Block]]:
    blocks: dict[str, list[Block]] = {key: [] for key in candidates}
    keys, start = list(candidates), time.perf_counter()
    interval = plan.seconds / plan.blocks
    for index in range(plan.blocks):
        _pause_until(start + index * interval)
        turn = keys[index % len(keys) :] + keys[: index % len(keys)]
        block = {key: Block() for key in turn}
        until = time.perf_counter() + interval * BUSY_SHARE
        while pending := _pending(turn, block, plan, in_time=time.perf_counter() < until):
            for key in pending:
                _burst(candidates[key], block[key], meter)
            if time.perf_counter() - start > GIVE_UP.total_seconds():
                raise TooFewSamples(percentile=95, count=index * plan.samples_per_block, needed=plan.samples)
        for key in keys:
            blocks[key].append(block[key])
    _pause_until(start + plan.seconds)
    return blocks


def _pause_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


def _pending(turn: Sequence[str], block: Mapping[str, Block], plan: Plan, *, in_time: bool) -> list[str]:
    return [key for key in turn if in_time or len(block[key].latencies) < plan.samples_per_block]


def _burst(infer: Inference, block: Block, meter: Meter) -> None:
    clock = time.perf_counter_ns
    warm_until = clock() + _nanoseconds(WARM)
    infer()
    while clock() < warm_until:
        infer()
    latencies = block.latencies
    joules, cpu, began = meter.joules(), time.process_time_ns(), clock()
    until, ended = began + _nanoseconds(max(BURST, meter.window)), began
    while ended < until:
        began = clock()
        infer()
        ended = clock()
        latencies.append(ended - began)
    block.cpu += time.process_time_ns() - cpu
    block.joules += meter.joules() - joules


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000


def _timing(blocks: Sequence[Block], against: NDArray[np.float64], meter: Meter) -> Timing:
    milliseconds = [np.array(block.latencies) / 1e6 for block in blocks]
    measured = percentile_of_blocks(milliseconds, 50)
    count, provenance = measured.count, measured.provenance
    cpu = np.array([block.cpu / 1e6 / len(block.latencies) for block in blocks])
    energy = np.array([block.joules * 1e3 / len(block.latencies) for block in blocks])
    ratios = _block_percentiles(blocks) / against
    return Timing(
        p50_ms=measured,
        p95_ms=percentile_of_blocks(milliseconds, 95),
        cpu_ms=Measurement(float(cpu.mean()), standard_error(cpu), count, provenance),
        energy_mj=Measurement(float(energy.mean()), standard_error(energy), count, meter.provenance),
        relative_p50=Measurement(float(ratios.mean()), standard_error(ratios), count, provenance),
    )


def _block_percentiles(blocks: Sequence[Block]) -> NDArray[np.float64]:
    return np.array([np.percentile(block.latencies, 50) for block in blocks], dtype=np.float64)
