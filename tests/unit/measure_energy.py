"""Energy meters on counters that this test writes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoglm_core.measurement import Provenance
from autoglm_workloads.child.energy import ModelledMeter, RaplMeter, open_meter, registered
from autoglm_workloads.child.errors import MeterUnavailable, UnknownMeter

LIMIT = 1_000_000


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """Two packages, the first with a sub-domain that is part of it."""
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "max_energy_range_uj").write_text(f"{LIMIT}\n")
        (folder / "energy_uj").write_text("999000\n")
    return tmp_path


def count(powercap: Path, name: str, microjoules: int) -> None:
    (powercap / name / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_are_added_and_sub_domains_are_not(powercap: Path) -> None:
    meter = RaplMeter(powercap)
    count(powercap, "intel-rapl:0", 999_500)
    count(powercap, "intel-rapl:0:0", 999_400)
    count(powercap, "intel-rapl:1", 999_250)
    assert meter.joules() == pytest.approx(750e-6)


def test_a_counter_that_starts_again_does_not_run_backwards(powercap: Path) -> None:
    meter = RaplMeter(powercap)
    count(powercap, "intel-rapl:0", 499)
    assert meter.joules() == pytest.approx(1500e-6)
    count(powercap, "intel-rapl:0", 498)
    assert meter.joules() == pytest.approx((1500 + LIMIT) * 1e-6)


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    with pytest.raises(MeterUnavailable):
        RaplMeter(tmp_path)


def test_the_model_multiplies_and_is_labelled() -> None:
    seconds = iter([1.0, 1.5])
    meter = ModelledMeter(watts=4.0, cpu_seconds=lambda: next(seconds))
    first = meter.joules()
    assert meter.joules() - first == pytest.approx(2.0)
    assert meter.provenance is Provenance.MODELLED


def test_measured_meters_come_before_the_modelled_one() -> None:
    assert list(registered())[-1] == "modelled"


def test_a_meter_is_opened_by_name_or_refused() -> None:
    assert open_meter(watts=1.0, name="modelled").name == "modelled"
    with pytest.raises(UnknownMeter) as refused:
        open_meter(watts=1.0, name="modeled")
    assert "modelled" in str(refused.value.data["known"])
