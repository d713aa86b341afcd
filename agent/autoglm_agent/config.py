"""agent.toml: read strictly, so that a misspelt protection is an error and not a missing protection."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

from autoglm_agent.errors import BadConfig
from autoglm_core.identity import BadIdentity, check_name

SMALLEST_COHORT = 3
"""With two sites the sum minus one's own input is the other's input."""


class Approval(StrEnum):
    """How this site decides on a study."""

    ASK = "ask"
    RULES = "rules"
    SIMULATED = "simulated"
    """Approves what is offered and accepts the roster unseen: for simulations alone."""


@dataclass(frozen=True)
class DataSource:
    """One dataset of this site. `path` never leaves it; `name` and `workload` are told."""

    name: str
    path: Path
    workload: str


@dataclass(frozen=True)
class DeviceConfig:
    """The device that is measured. `cpus`: processors for measurements (empty: all); `watts`: of one busy core."""

    device_class: str
    cpus: tuple[int, ...] = ()
    watts: float = 5.0
    meter: str | None = None


@dataclass(frozen=True)
class Rule:
    """Approves a study that lies inside all of it. Empty `workloads` or `data` mean any; zero limits mean none."""

    workloads: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    max_rounds: int = 0
    max_trials: int = 0


@dataclass(frozen=True)
class PolicyConfig:
    """`release_model`: whether this site lets its update out unmasked, to a coordinator of the same owner."""

    approval: Approval = Approval.ASK
    minimum_cohort: int = SMALLEST_COHORT
    release_model: bool = False
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Hours:
    """A daily window in local time; it may pass midnight."""

    begin: time
    end: time

    def open_at(self, moment: time) -> bool:
        """Whether tasks are taken at `moment`."""
        if self.begin <= self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


@dataclass(frozen=True)
class Limits:
    """`memory_gb`: cap on a child's private memory, in 1e9 bytes; `threads`: of a training child.

    Trainings of several studies at one time stay below `memory_gb` together, going by their estimates (`TrainingRoom`).
    `watts`: of one busy core, for the energy of a training where the processor shows no counter of it.
    """

    memory_gb: float | None = None
    hours: Hours | None = None
    threads: int = 1
    watts: float = DeviceConfig.watts

    @property
    def memory_bytes(self) -> int | None:
        """The cap in bytes."""
        return None if self.memory_gb is None else int(self.memory_gb * 1e9)


@dataclass(frozen=True)
class AgentConfig:
    """One agent. `address` is None until it joined."""

    name: str
    state: Path
    address: str | None = None
    proxy: str | None = None
    data: Mapping[str, DataSource] = field(default_factory=dict)
    device: DeviceConfig | None = None
    policy: PolicyConfig = PolicyConfig()
    limits: Limits = Limits()
    models: Path | None = None
    """Folder of the language models; None for $AUTOGLM_MODELS or ~/.cache/autoglm/models."""


def load_config(path: Path) -> AgentConfig:
    """Read and check agent.toml; relative paths are relative to its folder.

    Raises:
        BadConfig: not TOML, an unknown key, a wrong type, or a value that cannot be used.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise BadConfig(path=path.name, reason="there is no such file: write one, or name it with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(path=path.name, reason=f"cannot be read ({type(error).__name__})") from None
    return parse_config(text, folder=path.absolute().parent)


def parse_config(text: str, *, folder: Path) -> AgentConfig:
    """As `load_config`, from the file's text."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(path="syntax", reason=str(error)) from None
    except (ValueError, RecursionError) as error:
        raise BadConfig(path="syntax", reason=f"cannot be read ({type(error).__name__})") from None
    top = _Table("", values, ("name", "state", "coordinator", "data", "device", "policy", "limits", "models"))
    coordinator = top.table("coordinator", ("address", "proxy"))
    device = top.table("device", ("class", "cpus", "watts", "meter"))
    models = top.table("models", ("path",)).optional_text("path")
    config = AgentConfig(
        name=_name(top),
        state=folder / top.text("state"),
        address=coordinator.optional_text("address"),
        proxy=_proxy(coordinator),
        data=_data(top, folder),
        device=_device(device) if device.present else None,
        policy=_policy(top.table("policy", ("approval", "minimum_cohort", "release_model", "rules"))),
        limits=_limits(top.table("limits", ("memory_gb", "hours", "threads", "watts"))),
        models=None if models is None else folder / models,
    )
    if config.data and config.device is not None:
        raise BadConfig(
            path="device", reason="a site with [data] and a device are two agents: give each its own agent.toml"
        )
    return config


class _Table:
    """One table of the file, with its path for errors; unknown keys are refused at once."""

    def __init__(self, path: str, values: Mapping[str, Any], keys: tuple[str, ...], *, present: bool = True) -> None:
        self.path, self.present = path, present
        self._values = values
        for key in values:
            if key not in keys:
                nearest = next(iter(get_close_matches(key, keys, n=1, cutoff=0.5)), None)
                known = ", ".join(keys)
                raise BadConfig(path=self.at(key), reason=f"unknown key; there are: {known}", nearest=nearest)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def take(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:
        """The value or None; a bool is no number."""
        value = self._values.get(key)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise BadConfig(path=self.at(key), reason=f"expected {expected}")
        return value

    def text(self, key: str) -> str:
        value = self.optional_text(key)
        if not value:
            raise BadConfig(path=self.at(key), reason="is needed")
        return value

    def optional_text(self, key: str) -> str | None:
        value: str | None = self.take(key, str, "a text")
        return value

    def whole(self, key: str, default: int, *, least: int) -> int:
        value = self.take(key, int, "a whole number")
        if value is not None and value < least:
            raise BadConfig(path=self.at(key), reason=f"must be at least {least}")
        return default if value is None else int(value)

    def number(self, key: str) -> float | None:
        value = self.take(key, (int, float), "a number")
        if value is not None and not 0 < value < float("inf"):
            raise BadConfig(path=self.at(key), reason="must be above 0")
        return None if value is None else float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.take(key, list, "a list of texts") or []
        if not all(isinstance(entry, str) for entry in value):
            raise BadConfig(path=self.at(key), reason="expected a list of texts")
        return tuple(value)

    def table(self, key: str, keys: tuple[str, ...]) -> _Table:
        value = self.take(key, dict, "a table")
        return _Table(self.at(key), value or {}, keys, present=value is not None)


def _name(top: _Table) -> str:
    try:
        return check_name(top.text("name"))
    except BadIdentity as error:
        raise BadConfig(path="name", reason=str(error.data["reason"])) from None


def _proxy(coordinator: _Table) -> str | None:
    proxy = coordinator.optional_text("proxy")
    if proxy is not None and not proxy.startswith("http://"):
        raise BadConfig(path=coordinator.at("proxy"), reason="is written http://host:port")
    return proxy


def _data(top: _Table, folder: Path) -> dict[str, DataSource]:
    sources = {}
    for name, value in (top.take("data", dict, "tables [data.NAME]") or {}).items():
        if not isinstance(value, dict):
            raise BadConfig(path=f"data.{name}", reason="expected a table [data.NAME]")
        table = _Table(f"data.{name}", value, ("path", "workload"))
        sources[name] = DataSource(name=name, path=folder / table.text("path"), workload=table.text("workload"))
    return sources


def _device(table: _Table) -> DeviceConfig:
    cpus = table.take("cpus", list, "a list of processor numbers") or []
    if not all(type(cpu) is int and cpu >= 0 for cpu in cpus):
        raise BadConfig(path=table.at("cpus"), reason="expected a list of processor numbers")
    return DeviceConfig(
        device_class=table.text("class"),
        cpus=tuple(sorted(set(cpus))),
        watts=table.number("watts") or DeviceConfig.watts,
        meter=table.optional_text("meter"),
    )


def _policy(table: _Table) -> PolicyConfig:
    word = table.optional_text("approval") or str(Approval.ASK)
    if word not in set(Approval):
        nearest = next(iter(get_close_matches(word, [str(entry) for entry in Approval], n=1, cutoff=0.5)), None)
        raise BadConfig(path=table.at("approval"), reason="is ask, rules or simulated", nearest=nearest)
    rules = tuple(
        _rule(index, entry) for index, entry in enumerate(table.take("rules", list, "tables [[policy.rules]]") or ())
    )
    if Approval(word) is Approval.RULES and not rules:
        raise BadConfig(path=table.at("rules"), reason="approval by rules needs at least one [[policy.rules]]")
    return PolicyConfig(
        approval=Approval(word),
        minimum_cohort=table.whole("minimum_cohort", SMALLEST_COHORT, least=1),
        release_model=bool(table.take("release_model", bool, "true or false")),
        rules=rules,
    )


def _rule(index: int, value: object) -> Rule:
    if not isinstance(value, dict):
        raise BadConfig(path=f"policy.rules[{index}]", reason="expected a table [[policy.rules]]")
    table = _Table(f"policy.rules[{index}]", value, ("workloads", "data", "max_rounds", "max_trials"))
    return Rule(
        workloads=table.texts("workloads"),
        data=table.texts("data"),
        max_rounds=table.whole("max_rounds", 0, least=1),
        max_trials=table.whole("max_trials", 0, least=1),
    )


def _limits(table: _Table) -> Limits:
    hours = table.optional_text("hours")
    return Limits(
        memory_gb=table.number("memory_gb"),
        hours=None if hours is None else _hours(table, hours),
        threads=table.whole("threads", 1, least=1),
        watts=table.number("watts") or Limits.watts,
    )


def _hours(table: _Table, text: str) -> Hours:
    begin, dash, end = text.partition("-")
    try:
        if not dash:
            raise ValueError(text)
        return Hours(time.fromisoformat(begin.strip()), time.fromisoformat(end.strip()))
    except ValueError:
        raise BadConfig(path=table.at("hours"), reason='is written "20:00-06:00"') from None
