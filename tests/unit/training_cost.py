"""What a training costs: read around it, summed over sites, added up over rounds."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from autoglm_core.measurement import Provenance
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.session_counters import session_counters
from autoglm_core.training_cost import COST_LAYOUT, NO_COST, TrainingCost
from autoglm_workloads.child import training_meter
from autoglm_workloads.child.training_meter import Usage, busy_seconds, cost_between, metered, peak_bytes
from autoglm_workloads.synthetic import WORKLOAD
from support.agent_sites import parameters_manifest, toy_study

SITES = [
    TrainingCost(seconds=1.5, measured=80.25, memory_mb=300.0),
    TrainingCost(seconds=2.5, modelled=12.0, memory_mb=500.0),
    TrainingCost(seconds=2.0, modelled=9.5, memory_mb=400.0),
]


def summed(sites: list[TrainingCost]) -> TrainingCost:
    """As the secure sum and its reader do."""
    vectors = [COST_LAYOUT.encode(site.counters()) for site in sites]
    return TrainingCost.of_sum(COST_LAYOUT.decode(np.sum(vectors, axis=0)), sites=len(sites))


def test_sites_add_up_and_their_memory_is_their_mean() -> None:
    together = summed(SITES)
    assert (together.seconds, together.memory_mb) == (6.0, 400.0)
    assert together.joules == pytest.approx(101.75)


def test_what_was_measured_is_told_by_the_share_of_sites_that_measure() -> None:
    """The one site with a meter is not singled out by it."""
    assert summed(SITES).measured == pytest.approx(101.75 / 3)
    assert summed(SITES[:1] * 3).modelled == 0.0
    assert summed(SITES[1:]).measured == 0.0
    assert {field.name for field in COST_LAYOUT.fields} == {"training_seconds", "joules", "metered_sites", "memory_mb"}


def test_rounds_add_up_and_their_memory_is_the_largest() -> None:
    rounds = [TrainingCost(6.0, 80.25, 21.5, 400.0), TrainingCost(4.0, 80.25, 12.0, 350.0)]
    assert TrainingCost.of_rounds(rounds) == TrainingCost(10.0, 160.5, 33.5, 400.0)
    assert TrainingCost.of_rounds([]) == NO_COST


def test_a_site_that_lies_below_nothing_takes_nothing_back() -> None:
    liar = TrainingCost(seconds=-1e6, modelled=-1e9, memory_mb=-1e6)
    assert summed([*SITES, liar]) == NO_COST
    boaster = {**SITES[1].counters(), "metered_sites": np.array(1e9)}
    vectors = [COST_LAYOUT.encode(site) for site in (SITES[1].counters(), boaster)]
    told = TrainingCost.of_sum(COST_LAYOUT.decode(np.sum(vectors, axis=0)), sites=2)
    assert (told.measured, told.modelled) == (24.0, 0.0)


@pytest.mark.parametrize("purpose", Purpose)
def test_only_a_training_tells_its_cost(purpose: Purpose) -> None:
    layout = session_counters(WORKLOAD.model_side, toy_study(), purpose, parameters_manifest(b"weights"))
    names = {field.name for field in layout.fields}
    assert names.issuperset(field.name for field in COST_LAYOUT.fields) is (purpose is Purpose.TRAIN)


def test_of_what_a_meter_measured_a_training_is_charged_its_share_of_the_processors() -> None:
    begun = Usage(wall=10.0, own=1.0, busy=100.0, joules=5000.0)
    ended = Usage(wall=14.0, own=7.0, busy=108.0, joules=5200.0)
    cost = cost_between(begun, ended, provenance=Provenance.MEASURED, watts=5.0)
    assert (cost.seconds, cost.measured, cost.modelled) == (4.0, 150.0, 0.0)


def test_a_training_too_short_for_the_machines_own_count_is_charged_no_more_than_all() -> None:
    begun = Usage(wall=10.0, own=1.0, busy=100.0, joules=5000.0)
    ended = Usage(wall=10.01, own=1.009, busy=100.0, joules=5000.2)
    assert cost_between(begun, ended, provenance=Provenance.MEASURED, watts=5.0).measured == pytest.approx(0.2)
    assert cost_between(begun, begun, provenance=Provenance.MEASURED, watts=5.0).joules == 0.0


@pytest.mark.parametrize("gone", ["begun", "ended"])
def test_a_counter_that_went_away_is_modelled_and_said_to_be(gone: str) -> None:
    begun = Usage(wall=10.0, own=1.0, busy=100.0, joules=None if gone == "begun" else 5000.0)
    ended = Usage(wall=14.0, own=7.0, busy=108.0, joules=None if gone == "ended" else 5200.0)
    cost = cost_between(begun, ended, provenance=Provenance.MEASURED, watts=5.0)
    assert (cost.measured, cost.modelled) == (0.0, 30.0)


def test_what_is_modelled_is_this_process_alone() -> None:
    begun = Usage(wall=10.0, own=1.0, busy=100.0, joules=5.0)
    ended = Usage(wall=14.0, own=7.0, busy=108.0, joules=35.0)
    cost = cost_between(begun, ended, provenance=Provenance.MODELLED, watts=5.0)
    assert (cost.measured, cost.modelled) == (0.0, 30.0)


def test_work_is_metered_from_its_beginning_to_its_end() -> None:
    def work() -> int:
        held = np.ones(40_000_000, np.uint8)
        return int(held.sum())

    before = peak_bytes()
    value, cost = metered(work, watts=5.0)
    assert value == 40_000_000
    assert cost.seconds > 0 and cost.joules > 0
    assert cost.memory_mb > 40
    _, idle = metered(lambda: None, watts=5.0)
    assert idle.joules < cost.joules
    assert peak_bytes() <= max(before, int(cost.memory_mb * 1e6))


def test_an_error_of_the_work_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        metered(lambda: 1 / 0, watts=5.0)


def test_the_machines_busy_time_leaves_out_idle_waiting_and_stolen_time(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 5000 700 4 6 900 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert busy_seconds(stat) == pytest.approx(1.6)
    assert busy_seconds(tmp_path / "none") == 0.0


def test_the_peak_is_read_in_bytes_and_guessed_where_the_kernel_is_silent(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n")
    assert peak_bytes(status) == 2048 * 1024
    status.write_text("Name:\tpython\n")
    assert peak_bytes(status) > 2**20


class Counter:
    """A meter that measures one joule for each time it is read, and tells once it was read while work went on."""

    name = "counter"
    provenance = Provenance.MEASURED
    window = timedelta(0)

    def __init__(self, *, goes_away: bool = False) -> None:
        self.reads = 0
        self.read_meanwhile = threading.Event()
        self._goes_away = goes_away

    def joules(self) -> float:
        self.reads += 1
        if self.reads > 1:
            self.read_meanwhile.set()
            if self._goes_away:
                raise OSError
        return float(self.reads)


@pytest.mark.parametrize("goes_away", [False, True])
def test_a_counter_that_turns_is_read_while_the_training_goes_on(
    goes_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(goes_away=goes_away)
    monkeypatch.setattr(training_meter, "_opened", lambda watts: counter)
    monkeypatch.setattr(training_meter, "READ_EVERY", 0.001)
    seen, cost = metered(lambda: counter.read_meanwhile.wait(30), watts=5.0)
    assert seen
    assert (cost.measured > 0, cost.modelled > 0) == (not goes_away, goes_away)
    assert "meter" not in {thread.name for thread in threading.enumerate()}
