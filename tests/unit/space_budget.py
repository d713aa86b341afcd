"""Limits are written with their unit, and read back from the canonical form."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from autoglm_core.budget import KEYS, Budget, parse_budget
from autoglm_core.canonical import canonical_json
from autoglm_core.section import Section
from autoglm_core.study_error import StudyError


def parsed(**entries: Any) -> Budget:
    """As under `budget:`."""
    return parse_budget(Section({"trials": 3, **entries}, ("budget",), KEYS))


@pytest.mark.parametrize(
    ("text", "count", "canonical"),
    [
        ("2GB", 2 * 10**9, "2GB"),
        ("2 GB", 2 * 10**9, "2GB"),
        ("1.5kB", 1500, "1500B"),
        ("0.25 TB", 250 * 10**9, "250GB"),
        ("2000MB", 2 * 10**9, "2GB"),
        ("12345B", 12345, "12345B"),
        ("1000000TB", 10**18, "1000000TB"),
    ],
)
def test_sizes_are_powers_of_a_thousand(text: str, count: int, canonical: str) -> None:
    assert parsed(bytes=text).bytes == count
    assert parsed(bytes=text).to_json()["bytes"] == canonical


@pytest.mark.parametrize(
    ("text", "joules", "canonical"),
    [
        ("2MJ", 2_000_000, "2MJ"),
        ("1500 kJ", 1_500_000, "1500kJ"),
        ("1J", 1, "1J"),
        ("0.5Wh", 1800, "1800J"),
        ("2.5kWh", 9_000_000, "9MJ"),
    ],
)
def test_energies_are_joules(text: str, joules: int, canonical: str) -> None:
    assert parsed(energy=text).energy == joules
    assert parsed(energy=text).to_json()["energy"] == canonical


@pytest.mark.parametrize(
    ("text", "gain", "canonical"),
    [
        ("0.5% per hour", 0.5, "0.5% per hour"),
        ("0.5 %  per hour", 0.5, "0.5% per hour"),
        ("12% per day", 0.5, "0.5% per hour"),
        ("1% per minute", 60.0, "60% per hour"),
        ("1% per day", 0.041667, "0.041667% per hour"),
    ],
)
def test_gains_are_shares_per_time(text: str, gain: float, canonical: str) -> None:
    assert parsed(gain=text).gain == gain
    assert parsed(gain=text).to_json()["gain"] == canonical


@pytest.mark.parametrize(
    "budget",
    [
        Budget(3),
        Budget(3, timedelta(seconds=0.25), 1, 1, 1e-6),
        Budget(1, timedelta(days=9), 10**18, 10**15, 1e6),
        Budget(1, None, 2**53 + 1, 3_599_999, 1 / 3),
    ],
    ids=str,
)
def test_the_canonical_form_reads_back(budget: Budget) -> None:
    form = json.loads(canonical_json(budget.to_json()))
    assert parsed(**form) == budget
    assert parsed(**form).to_json() == form


@pytest.mark.parametrize(
    ("entries", "place", "reason"),
    [
        ({"bytes": 2_000_000_000}, "budget.bytes", "with its unit, such as 500MB"),
        ({"bytes": "2"}, "budget.bytes", "with its unit"),
        ({"bytes": "2 gigabytes"}, "budget.bytes", "with its unit"),
        ({"bytes": "2GiB"}, "budget.bytes", "with its unit"),
        ({"bytes": "2KB"}, "budget.bytes", "with its unit"),
        ({"bytes": "-2GB"}, "budget.bytes", "with its unit"),
        ({"bytes": "0GB"}, "budget.bytes", "above 0"),
        ({"bytes": "1.5B"}, "budget.bytes", "whole number of bytes"),
        ({"bytes": "1000001TB"}, "budget.bytes", "at most 1000000 TB"),
        ({"bytes": "1e9B"}, "budget.bytes", "with its unit"),
        ({"gain": 0.5}, "budget.gain", "such as 0.5% per hour"),
        ({"gain": "0.5%"}, "budget.gain", "such as 0.5% per hour"),
        ({"gain": "0.5 per hour"}, "budget.gain", "such as 0.5% per hour"),
        ({"gain": "0.5% per week"}, "budget.gain", "such as 0.5% per hour"),
        ({"gain": "-1% per hour"}, "budget.gain", "such as 0.5% per hour"),
        ({"gain": "0% per hour"}, "budget.gain", "at least 0.000001% per hour"),
        ({"gain": "0.000001% per day"}, "budget.gain", "at least 0.000001% per hour"),
        ({"gain": "999999999% per minute"}, "budget.gain", "at most 1000000% per hour"),
        ({"trials": 0}, "budget.trials", "between 1 and"),
        ({"energy": 500_000}, "budget.energy", "with its unit, such as 500kJ"),
        ({"energy": "500"}, "budget.energy", "with its unit"),
        ({"energy": "500kW"}, "budget.energy", "with its unit"),
        ({"energy": "2 BTU"}, "budget.energy", "with its unit"),
        ({"energy": "-2MJ"}, "budget.energy", "with its unit"),
        ({"energy": "0kWh"}, "budget.energy", "above 0"),
        ({"energy": "0.5J"}, "budget.energy", "whole number of joules"),
        ({"energy": "9999999999MJ"}, "budget.energy", "at most 1000000000 MJ"),
        ({"power": "500W"}, "budget.power", "is not a key here"),
    ],
    ids=str,
)
def test_mistakes_are_named_with_their_place(entries: dict[str, Any], place: str, reason: str) -> None:
    with pytest.raises(StudyError) as caught:
        parsed(**entries)
    assert caught.value.data["path"] == place
    assert reason in caught.value.reason
