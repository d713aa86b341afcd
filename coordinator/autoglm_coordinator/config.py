"""coordinator.toml: read strictly, so that a misspelt key is an error and not a default.

deployment = "north"               # the trust domain of every certificate
address = "tune.example.org"       # what agents and operators dial
state = "/var/lib/autoglm-coordinator"
[listen]
host = "0.0.0.0"
join_port = 7442                   # server TLS only
port = 7443                        # mutual TLS
[store]
url = "postgresql+psycopg://..."   # default: SQLite in the state folder
[deadlines]
work = "10m"                       # a cohort's training or evaluation
answer = "30s"                     # each answer of the secure sum
gather = "60s"                     # waiting for a whole cohort, where a smaller one would do
absence = "1h"                     # waiting for sites without whom no cohort is large enough; then the study fails
[uploads]
memory_mb = 64                     # masked vectors on their way in, all sessions together; one always fits
[models]
path = "/srv/models"               # language models; default: $AUTOGLM_MODELS, else ~/.cache/autoglm/models
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from autoglm_coordinator.federation.receptions import UPLOAD_BYTES
from autoglm_core.errors import InvalidInput
from autoglm_core.identity import BadIdentity, check_name

T = TypeVar("T", str, int)

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class BadConfig(InvalidInput):
    """The configuration file cannot be used; `key` is dotted."""

    code = "bad-config"

    def __init__(self, *, key: str, reason: str) -> None:
        super().__init__(f"coordinator.toml: {key}: {reason}", key=key, reason=reason)


@dataclass(frozen=True)
class Listen:
    """Where the two ports are opened. Port 0 lets the system choose, for tests."""

    host: str = "0.0.0.0"  # noqa: S104  # a coordinator is dialled from other machines
    join_port: int = 7442
    port: int = 7443


@dataclass(frozen=True)
class DeadlineConfig:
    """How long a cohort may work, answer, and take to be connected: if it is needed whole, or at all (`absence`)."""

    work: timedelta = timedelta(minutes=10)
    answer: timedelta = timedelta(seconds=30)
    gather: timedelta = timedelta(seconds=60)
    absence: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class CoordinatorConfig:
    """One coordinator. `address`: host name or IP address without a port. `store_url`: None for SQLite in `state`."""

    deployment: str
    address: str
    state: Path
    listen: Listen = field(default_factory=Listen)
    store_url: str | None = None
    deadlines: DeadlineConfig = field(default_factory=DeadlineConfig)
    upload_bytes: int = UPLOAD_BYTES
    models: Path | None = None

    @property
    def join_address(self) -> str:
        """What a token names."""
        return f"{_bracketed(self.address)}:{self.listen.join_port}"

    @property
    def mutual_address(self) -> str:
        """What a join reply names."""
        return f"{_bracketed(self.address)}:{self.listen.port}"

    @property
    def pki(self) -> Path:
        """Folder of the certificate authority."""
        return self.state / "pki"

    @property
    def study_key(self) -> Path:
        """File of the private key that opens sealed metrics."""
        return self.state / "study.key"

    def to_toml(self) -> str:
        """As `load_config` reads it; strings that need escaping are refused when the configuration is made."""
        lines = [f'deployment = "{self.deployment}"', f'address = "{self.address}"', f'state = "{self.state}"', ""]
        listen = self.listen
        lines += ["[listen]", f'host = "{listen.host}"', f"join_port = {listen.join_port}", f"port = {listen.port}"]
        if self.store_url is not None:
            lines += ["", "[store]", f'url = "{self.store_url}"']
        return "\n".join([*lines, ""])


def load_config(path: Path) -> CoordinatorConfig:
    """Read and check coordinator.toml; a relative state folder is relative to it.

    Raises:
        BadConfig: no such file, not TOML, an unknown key, a wrong type, or a value that cannot be used.
    """
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadConfig(key="file", reason="not found: run `autoglm-coordinator init` first") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "cannot be read"
        raise BadConfig(key="file", reason=reason) from error
    return parse_config(table, folder=path.parent)


def parse_config(table: Mapping[str, Any], *, folder: Path) -> CoordinatorConfig:
    """The configuration that `table` describes. Raises `BadConfig`."""
    root = _Section(table, "", ("deployment", "address", "state", "listen", "store", "deadlines", "uploads", "models"))
    listen = root.section("listen", ("host", "join_port", "port"))
    store = root.section("store", ("url",))
    deadlines = root.section("deadlines", ("work", "answer", "gather", "absence"))
    uploads = root.section("uploads", ("memory_mb",))
    models = root.section("models", ("path",)).get("path", "")
    config = CoordinatorConfig(
        deployment=root.required("deployment"),
        address=root.required("address"),
        state=folder / root.required("state"),
        listen=Listen(
            host=listen.get("host", Listen.host),
            join_port=listen.get("join_port", Listen.join_port),
            port=listen.get("port", Listen.port),
        ),
        store_url=store.get("url", "") or None,
        deadlines=DeadlineConfig(
            work=deadlines.duration("work", DeadlineConfig.work),
            answer=deadlines.duration("answer", DeadlineConfig.answer),
            gather=deadlines.duration("gather", DeadlineConfig.gather),
            absence=deadlines.duration("absence", DeadlineConfig.absence),
        ),
        upload_bytes=uploads.get("memory_mb", UPLOAD_BYTES // 10**6) * 10**6,
        models=folder / models if models else None,
    )
    check_config(config)
    return config


def check_config(config: CoordinatorConfig) -> None:
    """Raise `BadConfig` where a value cannot be used."""
    try:
        check_name(config.deployment)
    except BadIdentity as error:
        raise BadConfig(key="deployment", reason=str(error.data["reason"])) from error
    if not _HOST.fullmatch(config.address):
        raise BadConfig(key="address", reason="a host name or IP address without scheme or port, as agents dial it")
    listen = config.listen
    for key, port in (("listen.join_port", listen.join_port), ("listen.port", listen.port)):
        if not 0 <= port < 65536:
            raise BadConfig(key=key, reason="a port lies in 0 to 65535")
    if listen.join_port == listen.port != 0:
        raise BadConfig(key="listen.join_port", reason="the two ports must differ")
    if config.upload_bytes <= 0:
        raise BadConfig(key="uploads.memory_mb", reason="must be positive")
    for key, text in (
        ("state", str(config.state)),
        ("store.url", config.store_url or ""),
        ("listen.host", listen.host),
    ):
        if any(letter in '"\\' or not letter.isprintable() for letter in text):
            raise BadConfig(key=key, reason="quotes, backslashes and control characters are not taken")


class _Section:
    """One table of the file: unknown keys are refused when it is made, wrong types when a value is asked for."""

    def __init__(self, table: object, path: str, known: tuple[str, ...]) -> None:
        if not isinstance(table, Mapping):
            raise BadConfig(key=path, reason="expected a table")
        self._table: Mapping[str, Any] = table
        self._path = f"{path}." if path else ""
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                raise BadConfig(key=self._path + key, reason=f"unknown key; {hint}")

    def section(self, key: str, known: tuple[str, ...]) -> _Section:
        return _Section(self._table.get(key, {}), self._path + key, known)

    def required(self, key: str) -> str:
        if key not in self._table:
            raise BadConfig(key=self._path + key, reason="missing")
        return self.get(key, "")

    def get(self, key: str, default: T) -> T:
        value = self._table.get(key, default)
        if type(value) is not type(default):
            kind = "text in quotes" if isinstance(default, str) else "a whole number"
            raise BadConfig(key=self._path + key, reason=f"expected {kind}")
        return value

    def duration(self, key: str, default: timedelta) -> timedelta:
        if key not in self._table:
            return default
        found = _DURATION.fullmatch(self.get(key, ""))
        if found is None:
            raise BadConfig(key=self._path + key, reason='a duration is written like "30s", "10m", "2h" or "1d"')
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
