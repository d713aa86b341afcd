"""agent.toml: what is accepted, and what the error for the rest says."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from autoglm_agent.config import AgentConfig, Approval, Hours, load_config, parse_config
from autoglm_agent.errors import BadConfig
from autoglm_agent.joining import with_address

EXAMPLE = """
name = "st-mary"
state = "/var/lib/autoglm"
[coordinator]
address = "tune.example.org:7443"   # written by `join`
proxy = "http://proxy:3128"
[data.heart]
path = "/srv/heart.csv"
workload = "tabular-classification"
[policy]
approval = "ask"
minimum_cohort = 3
release_model = false
[limits]
memory_gb = 8
watts = 7.5
hours = "20:00-06:00"
"""


def parsed(text: str) -> AgentConfig:
    return parse_config(text, folder=Path("/etc/autoglm"))


def with_head(text: str) -> str:
    return f'name = "a"\nstate = "s"\n{text}'


def test_the_documented_example_is_read_as_it_says() -> None:
    config = parsed(EXAMPLE)
    assert config.name == "st-mary"
    assert config.address == "tune.example.org:7443"
    assert config.data["heart"].workload == "tabular-classification"
    assert config.policy.approval is Approval.ASK
    assert config.limits.memory_bytes == 8_000_000_000
    assert config.limits.watts == 7.5
    assert config.limits.hours == Hours(time(20), time(6))


def test_relative_paths_belong_to_the_file_not_to_the_working_directory() -> None:
    config = parsed(with_head('[data.d]\npath = "rows.csv"\nworkload = "w"'))
    assert config.state == Path("/etc/autoglm/s")
    assert config.data["d"].path == Path("/etc/autoglm/rows.csv")


@pytest.mark.parametrize(
    ("text", "path", "nearest"),
    [
        (with_head("[policy]\nminimum_cohrt = 5"), "policy.minimum_cohrt", "minimum_cohort"),
        (with_head("[polcy]\nminimum_cohort = 5"), "polcy", "policy"),
        (with_head('[policy]\napproval = "simulate"'), "policy.approval", "simulated"),
        (with_head('[policy]\napproval = "rules"'), "policy.rules", None),
        (with_head('[policy]\nminimum_cohort = "3"'), "policy.minimum_cohort", None),
        (with_head("[policy]\nminimum_cohort = true"), "policy.minimum_cohort", None),
        (with_head('[policy]\nrelease_model = "no"'), "policy.release_model", None),
        (with_head("[limits]\nmemory_gb = -1"), "limits.memory_gb", None),
        (with_head("[limits]\nwatts = 0"), "limits.watts", None),
        (with_head('[limits]\nwatts = "7"'), "limits.watts", None),
        (with_head("[limits]\nwatt = 7"), "limits.watt", "watts"),
        (with_head('[limits]\nhours = "20-6h"'), "limits.hours", None),
        (with_head('[data.d]\npath = "x"'), "data.d.workload", None),
        (with_head("[device]\ncpus = [0]"), "device.class", None),
        (with_head('[device]\nclass = "pi"\ncpus = [-1]'), "device.cpus", None),
        (with_head('[device]\nclass = "pi"\n[data.d]\npath = "x"\nworkload = "w"'), "device", None),
        (with_head('[coordinator]\nproxy = "proxy:3128"'), "coordinator.proxy", None),
        ('name = "St Mary"\nstate = "s"', "name", None),
        ('name = "a"', "state", None),
        ("name = ", "syntax", None),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_key(text: str, path: str, nearest: str | None) -> None:
    with pytest.raises(BadConfig) as refused:
        parsed(text)
    assert refused.value.data["path"] == path
    assert refused.value.data["nearest"] == nearest


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"agent\.toml"):
        load_config(tmp_path / "agent.toml")


@pytest.mark.parametrize(("hour", "taken"), [(21, True), (5, True), (6, False), (12, False)])
def test_hours_may_pass_midnight(hour: int, taken: bool) -> None:
    assert Hours(time(20), time(6)).open_at(time(hour)) is taken


@pytest.mark.parametrize(
    "before",
    [
        with_head(""),
        with_head('# why\n[coordinator]\nproxy = "http://p:1"\n[policy]\napproval = "ask"  # always'),
        with_head('[coordinator]\naddress = "old:1"  # typed\n[data.d]\npath = "x"\nworkload = "w"'),
        with_head('[data.d]\npath = "x"\nworkload = "w"\n[coordinator]'),
    ],
)
def test_join_writes_the_address_and_leaves_the_rest(before: str) -> None:
    after = with_address(before, "new:7443")
    assert parsed(after).address == "new:7443"
    kept = [line for line in before.splitlines() if not line.startswith("address")]
    assert set(kept) <= set(after.splitlines())
    assert with_address(after, "new:7443") == after
