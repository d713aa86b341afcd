"""`autoglm-agent join`: from a token to an identity, a site key and an address in agent.toml."""

from __future__ import annotations

import re
from pathlib import Path

from autoglm_agent.audit import AuditLog
from autoglm_agent.config import AgentConfig, load_config
from autoglm_agent.errors import AlreadyJoined
from autoglm_agent.files import write_durable
from autoglm_agent.state import Identity, StateFolder
from autoglm_core.canonical import digest
from autoglm_core.identity import JoinToken, check_name
from autoglm_protos import enroll

_SECTION = re.compile(r"\s*\[coordinator\]\s*(?:#.*)?")
_ADDRESS = re.compile(r"\s*address\s*=")
CONFIG_MODE = 0o640


async def join(token_text: str, path: Path) -> Identity:
    """Enrol the agent that the agent.toml at `path` describes, and write the address there.

    Raises:
        BadToken, BadConfig, AlreadyJoined: nothing was sent.
        WrongAuthority, Unreachable, RemoteError: see `autoglm_protos.enroll.join`.
    """
    token = JoinToken.parse(token_text)
    config = load_config(path)
    state = StateFolder(config.state)
    if state.joined:
        raise AlreadyJoined(agent=state.identity().agent_id)
    site_key = state.prepare()
    log = AuditLog(state.audit)
    try:
        log.append("join", size=len(site_key.public.raw), sha256=digest(site_key.public.raw))
    finally:
        log.close()
    enrolled = await enroll.join(token, name=config.name, site_key=site_key, proxy=config.proxy)
    state.keep(enrolled)
    _write_address(path, enrolled.address)
    return state.identity()


def _write_address(path: Path, address: str) -> None:
    write_durable(path, with_address(path.read_text(), address).encode(), mode=CONFIG_MODE)


def first_config(path: Path, *, name: str, state: Path) -> AgentConfig:
    """Write a smallest agent.toml, for an agent that has none yet, and read it back."""
    text = f'name = "{check_name(name)}"\nstate = "{state.as_posix()}"\n'
    write_durable(path, text.encode(), mode=CONFIG_MODE)
    return load_config(path)


def with_address(text: str, address: str) -> str:
    """agent.toml with `coordinator.address` set; every other line and comment as it was."""
    lines, wanted = text.splitlines(), f'address = "{address}"'
    header = next((number for number, line in enumerate(lines) if _SECTION.fullmatch(line)), None)
    if header is None:
        return "\n".join([*lines, "", "[coordinator]", wanted, ""])
    for number in range(header + 1, len(lines)):
        if lines[number].lstrip().startswith("["):
            break
        if _ADDRESS.match(lines[number]):
            lines[number] = wanted
            return "\n".join([*lines, ""])
    return "\n".join([*lines[: header + 1], wanted, *lines[header + 1 :], ""])
