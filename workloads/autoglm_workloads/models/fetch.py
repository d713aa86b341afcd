"""Fetch a model from the hub onto the shelf, in a process that is given nothing but what the download needs.

The process gets no path of data or of an agent's state, none of the caller's environment but proxies, certificates,
the hub's address and the hub's own token, and an empty home. What it brought is then looked at like any folder that
somebody adds, by a child without network.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from autoglm_core.canonical import digest
from autoglm_core.errors import Kind, RemoteError
from autoglm_workloads.child.environment import scrubbed
from autoglm_workloads.models.errors import raise_again
from autoglm_workloads.models.hub_errors import HUB_ERRORS, BadModelName
from autoglm_workloads.models.place import shelf_folder
from autoglm_workloads.models.shelf import ShelvedModel, adopt, claimed, find, shelved

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,95}")
KEPT = (
    "HF_ENDPOINT", "HF_TOKEN", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy",
    "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "TERM", "COLUMNS",
)  # fmt: skip
"""What the download needs beside what every child gets."""
FIXED = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
"""Nobody is told what a site fetches but the hub; and one protocol, HTTP by ranges, goes through every proxy."""


def split(text: str) -> tuple[str, str]:
    """Name and revision of `NAME@REVISION`; without one, `main`, which is then refused with its commit.

    Raises:
        BadModelName: it is neither.
    """
    name, at, revision = text.removeprefix("hub:").partition("@")
    if not REPOSITORY.fullmatch(name) or (at and not REVISION.fullmatch(revision)):
        raise BadModelName(name=text[:200])
    return name, revision or "main"


def fetch(text: str) -> ShelvedModel:
    """The model `NAME@REVISION` of the hub on this machine's shelf; an interrupted download is gone on with.

    Raises:
        UnfitModel, NoRoomOnDisk, and the errors of `hub_errors`.
    """
    name, revision = split(text)
    source = f"hub:{name}@{revision}"
    folder = shelf_folder() / f".fetch-{digest(source.encode())[:16]}"
    with claimed(folder):
        known = next((model.content for model in shelved() if model.source == source), None)
        if known is not None:
            return find(known)
        _run(name, revision, folder)
        return adopt(folder, name=name.rpartition("/")[2], source=source)


def _run(name: str, revision: str, folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "autoglm_workloads.models.hub", name, revision, str(folder)]
    with tempfile.TemporaryDirectory(prefix="autoglm-fetch-") as home:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=home,
            env=_environment(os.environ, Path(home)),
        )
    if done.returncode == 0:
        return
    try:
        told = json.loads(done.stdout)
        error = RemoteError("", remote_code=told["code"], remote_kind=Kind.INTERNAL, **told["data"])
    except (ValueError, KeyError, TypeError):
        raise RemoteError(
            f"the download ended with status {done.returncode}; run it again", remote_code="", remote_kind=Kind.INTERNAL
        ) from None
    raise_again(error, HUB_ERRORS)


def _environment(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    kept = {name: environment[name] for name in KEPT if name in environment}
    child = scrubbed(environment, home=home, threads=1) | kept | FIXED
    del child["HF_HUB_OFFLINE"]
    return child
