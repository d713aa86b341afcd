"""The order in which candidates are measured, and what is made of their times, on a machine that is all arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from autoglm_agent.measure import latency
from autoglm_agent.measure.errors import TooFewSamples
from autoglm_agent.measure.latency import Plan
from autoglm_workloads.child.energy import ModelledMeter

MILLISECOND = 1_000_000


@dataclass
class Machine:
    """Passes for the time module: time goes by when work is done, and `speed` says how fast work is done when."""

    now: int = 0
    log: list[tuple[str, int]] = field(default_factory=list)
    slow_until: int = 0

    def perf_counter_ns(self) -> int:
        return self.now

    def process_time_ns(self) -> int:
        return self.now

    def perf_counter(self) -> float:
        return self.now / 1e9

    def process_time(self) -> float:
        return self.now / 1e9

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def work(self, name: str, nanoseconds: int) -> latency.Inference:
        def infer() -> None:
            self.log.append((name, self.now))
            self.now += nanoseconds * (2 if self.now < self.slow_until else 1)

        return infer


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    clock = Machine()
    monkeypatch.setattr(latency, "time", clock)
    return clock


def measure(machine: Machine, times: dict[str, int], plan: Plan | None = None) -> dict[str, latency.Timing]:
    candidates = {name: machine.work(name, nanoseconds) for name, nanoseconds in times.items()}
    meter = ModelledMeter(watts=5.0, cpu_seconds=machine.process_time)
    return latency.measure(candidates, reference="a", meter=meter, plan=plan or Plan())


def test_figures_are_in_their_units(machine: Machine) -> None:
    timing = measure(machine, {"a": MILLISECOND // 2, "b": MILLISECOND})["b"]
    assert timing.p50_ms.mean == timing.p95_ms.mean == 1.0
    assert timing.cpu_ms.mean == pytest.approx(1.0)
    assert timing.energy_mj.mean == pytest.approx(5.0)
    assert timing.relative_p50.mean == pytest.approx(2.0)


def test_blocks_fill_the_second_and_are_separated(machine: Machine) -> None:
    measure(machine, {"a": MILLISECOND // 10, "b": MILLISECOND // 5})
    moments = np.array([moment for _, moment in machine.log])
    assert machine.now >= 1e9
    gaps = np.diff(moments) > 20 * MILLISECOND
    assert gaps.sum() == 9


def test_every_candidate_runs_in_every_block_and_each_block_starts_with_another(machine: Machine) -> None:
    measure(machine, {"a": MILLISECOND // 10, "b": MILLISECOND // 5, "c": MILLISECOND // 10})
    by_block = [[name for name, moment in machine.log if moment // (100 * MILLISECOND) == block] for block in range(10)]
    assert all(set(names) == {"a", "b", "c"} for names in by_block)
    assert [names[0] for names in by_block[:4]] == ["a", "b", "c", "a"]


def test_a_slow_model_gets_its_samples_and_does_not_slow_the_others_down(machine: Machine) -> None:
    timings = measure(machine, {"a": MILLISECOND // 10, "slow": 40 * MILLISECOND})
    assert timings["slow"].p95_ms.count >= 130
    fast = sum(name == "a" for name, _ in machine.log) * MILLISECOND / 10
    assert fast < 0.1 * machine.now


def test_a_lease_that_takes_too_long_is_refused(machine: Machine) -> None:
    with pytest.raises(TooFewSamples):
        measure(machine, {"a": MILLISECOND, "stuck": 5000 * MILLISECOND})


def test_a_slow_spell_shows_in_the_error_and_cancels_in_the_ratio(machine: Machine) -> None:
    machine.slow_until = 500 * MILLISECOND
    timing = measure(machine, {"a": MILLISECOND // 2, "b": MILLISECOND})["b"]
    assert timing.p50_ms.standard_error > 0.1
    assert timing.relative_p50.mean == pytest.approx(2.0)
    assert timing.relative_p50.standard_error == pytest.approx(0.0)
