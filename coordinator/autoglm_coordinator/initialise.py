"""`autoglm-coordinator init`: everything a deployment is made of, written once and never over an earlier one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from autoglm_coordinator.config import CoordinatorConfig, Listen, check_config
from autoglm_coordinator.pki.access import Access
from autoglm_coordinator.pki.authority import Authority, write_new
from autoglm_coordinator.pki.enrolment import Enrolment
from autoglm_coordinator.store.errors import StorageFailed
from autoglm_coordinator.store.sql import open_store
from autoglm_core.clock import Clock
from autoglm_core.errors import Conflict
from autoglm_core.identity import JoinToken, Role
from autoglm_core.privacy.sealing import StudyKey
from autoglm_protos.host import SystemClock

CONFIG_NAME = "coordinator.toml"
OPERATOR = "operator"
TOKEN_LIFETIME = timedelta(hours=24)
"""Of a token made without an operator: there is nobody who could make another."""


class AlreadyInitialised(Conflict):
    """The state folder holds a deployment, whole or begun."""

    code = "already-initialised"

    def __init__(self) -> None:
        super().__init__("this state folder holds a deployment already: run it, or choose another folder")


def initialise(
    state: Path,
    *,
    address: str,
    deployment: str,
    join_port: int = Listen.join_port,
    port: int = Listen.port,
    store_url: str | None = None,
    clock: Clock | None = None,
) -> JoinToken:
    """Make the state folder, authority, study key, store and coordinator.toml; the first operator's token.

    `address`: host name or IP address that everybody dials. A port of 0 is replaced by a free one.

    Raises:
        AlreadyInitialised: nothing is changed.
        BadConfig: a name, address or port cannot be used; nothing is changed.
        StorageFull, StorageFailed: the folder cannot be written.
    """
    with ExitStack() as held:
        listen = Listen(join_port=join_port or _free_port(held), port=port or _free_port(held))
    config = CoordinatorConfig(deployment, address, state.resolve(), listen=listen, store_url=store_url)
    check_config(config)
    if (config.state / CONFIG_NAME).exists() or config.pki.exists():
        raise AlreadyInitialised()
    clock = clock or SystemClock()
    try:
        authority = Authority.create(deployment, now=clock.now())
        authority.save(config.pki)
        write_new(config.study_key, StudyKey.generate().private, mode=0o600)
        token = asyncio.run(_operator_token(config, authority, clock))
        # Last, so that a folder with a configuration is whole.
        write_new(config.state / CONFIG_NAME, config.to_toml().encode(), mode=0o600)
    except OSError as error:
        raise StorageFailed() from error
    return token


def operator_token(config: CoordinatorConfig) -> JoinToken:
    """Another operator token, for when every operator's certificate ran out; the daemon must be stopped.

    Raises:
        StoreInUse: the daemon runs.
        NoAuthority: the folder holds no deployment.
    """
    return asyncio.run(_operator_token(config, Authority.load(config.pki), SystemClock()))


async def _operator_token(config: CoordinatorConfig, authority: Authority, clock: Clock) -> JoinToken:
    store = open_store(config.state, url=config.store_url)
    try:
        access = Access(authority.deployment, revoked=(), clock=clock)
        enrolment = Enrolment(authority=authority, store=store, access=access, clock=clock)
        return await enrolment.create_token(
            OPERATOR, Role.OPERATOR, join_address=config.join_address, valid=TOKEN_LIFETIME
        )
    finally:
        await store.close()


def _free_port(held: ExitStack) -> int:
    # Held until both are chosen, so that they differ.
    listener = held.enter_context(socket.socket())
    listener.bind(("", 0))
    number: int = listener.getsockname()[1]
    return number
