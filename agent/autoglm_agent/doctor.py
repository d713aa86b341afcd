"""`autoglm-agent doctor`: does everything that a task needs work here, and if not, what to change."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from urllib.parse import urlsplit

from autoglm_agent.children import MEASURE_TASKS, SITE_TASKS
from autoglm_agent.config import AgentConfig
from autoglm_agent.state import StateFolder
from autoglm_core.errors import AutoglmError
from autoglm_workloads.child.host import ChildProcess
from autoglm_workloads.models.place import shelf_folder
from autoglm_workloads.models.shelf import shelved

LOW_DISK_BYTES = 10**9
SKEW = timedelta(minutes=2)
DIAL_SECONDS = 10.0
TEXT_PACKAGES = ("transformers", "tokenizers", "safetensors", "peft", "pyarrow", "py3langid")
"""What studies of texts need beside the frameworks; which of them depends on the study."""


@dataclass(frozen=True)
class Finding:
    """One line: `name`, whether it is `ok`, and what was found or what to change."""

    name: str
    ok: bool
    text: str


async def examine(config: AgentConfig) -> AsyncIterator[Finding]:
    """Every check in turn; none of them changes anything."""
    state = StateFolder(config.state)
    yield _joined(state)
    if state.joined:
        yield _certificate(state)
        yield await _coordinator(config, state)
    yield _disk(config)
    for source in config.data.values():
        readable = source.path.exists()
        text = "found" if readable else "its file is not there: correct `path` in agent.toml"
        yield Finding(f"data {source.name}", readable, text)
    yield _frameworks(config)
    if config.device is None:
        yield _models()
    yield await _sandbox(config)


def _joined(state: StateFolder) -> Finding:
    if not state.joined:
        return Finding("joined", False, "not yet: run `autoglm-agent join TOKEN`")
    return Finding("joined", True, state.identity().agent_id)


def _certificate(state: StateFolder) -> Finding:
    """The clock, judged by the certificate: a wrong one makes it not yet or no longer valid."""
    try:
        credentials = state.credentials()
        now, expires = datetime.now(UTC), credentials.expires
    except (AutoglmError, ValueError):
        return Finding("certificate", False, "cannot be read: join anew")
    if now < credentials.renew_at - (expires - credentials.renew_at) * 2 - SKEW:
        return Finding("clock", False, "is behind: the certificate is not valid yet; set the clock")
    if now > expires:
        return Finding("certificate", True, "ran out; `run` gets a new one with the site key")
    return Finding("clock", True, f"ok, certificate until {expires:%Y-%m-%d %H:%M} UTC")


async def _coordinator(config: AgentConfig, state: StateFolder) -> Finding:
    """One TLS handshake with the coordinator, directly or through the proxy."""
    identity, credentials = state.identity(), state.credentials()
    begun = time.monotonic()
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            await _handshake(identity.address, credentials.ca.decode(), config.proxy)
    except TimeoutError:
        return Finding("coordinator", False, f"{identity.address} did not answer: check address, proxy and firewall")
    except ssl.SSLError:
        return Finding("coordinator", False, f"{identity.address} shows a certificate of another authority")
    except OSError as error:
        return Finding("coordinator", False, f"{identity.address} cannot be reached ({error.strerror or 'no route'})")
    via = f" through {config.proxy}" if config.proxy else ""
    return Finding("coordinator", True, f"CA ok, {1e3 * (time.monotonic() - begun):.0f} ms to {identity.address}{via}")


async def _handshake(address: str, authority: str, proxy: str | None) -> None:
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    name = host.strip("[]")
    if proxy is None:
        _, writer = await asyncio.open_connection(name, int(port), ssl=context, server_hostname=name)
    else:
        writer = await _through_proxy(proxy, address)
        await writer.start_tls(context, server_hostname=name)
    writer.close()


async def _through_proxy(proxy: str, address: str) -> asyncio.StreamWriter:
    parts = urlsplit(proxy)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 3128)
    writer.write(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200" not in head.partition(b"\r\n")[0]:
        raise ConnectionRefusedError(0, "the proxy refused CONNECT")
    return writer


def _disk(config: AgentConfig) -> Finding:
    folder = next(path for path in (config.state, *config.state.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    return Finding("disk", free > LOW_DISK_BYTES, f"{free / 1e9:.0f} GB free for the state folder")


def _frameworks(config: AgentConfig) -> Finding:
    """What is installed, without importing it here."""
    if config.device is not None:
        found = find_spec("onnxruntime") is not None
        return Finding("runtime", found, "onnxruntime" if found else "not installed: pip install 'autoglm[measure]'")
    missing = [name for name in ("torch", "onnxruntime") if find_spec(name) is None]
    if missing:
        return Finding("training", False, f"{' and '.join(missing)} not installed: pip install 'autoglm[train]'")
    return Finding("training", True, "ok")


def _models() -> Finding:
    """The shelf of language models; without one, studies of tables and images run all the same."""
    names = [model.name for model in shelved()]
    missing = [name for name in TEXT_PACKAGES if find_spec(name) is None]
    if names and missing:
        return Finding("models", False, f"{', '.join(missing)} not installed: pip install 'autoglm[train]'")
    return Finding("models", True, f"{', '.join(names) or 'none'} on the shelf {shelf_folder()}")


async def _sandbox(config: AgentConfig) -> Finding:
    tasks = SITE_TASKS if config.device is None else MEASURE_TASKS
    try:
        async with ChildProcess(tasks=tasks) as child:
            enforced = child.enforced
    except AutoglmError as error:
        return Finding("child", False, error.message)
    return Finding(
        "sandbox", enforced, "no network" if enforced else "not enforced: this kernel or platform lacks seccomp"
    )
