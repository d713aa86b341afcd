r"""Where the command line keeps an operator's certificate: one folder, readable by its user alone.

The folder is `$AUTOGLM_HOME`, else the platform's place for a user's configuration: `$XDG_CONFIG_HOME/autoglm` or
`~/.config/autoglm` (XDG base directory specification), `~/Library/Application Support/autoglm` on macOS,
`%APPDATA%\autoglm` on Windows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoglm.errors import NotLoggedIn

PROFILE, CERTIFICATE, KEY, AUTHORITY = "operator.json", "operator.pem", "operator-key.pem", "authority.pem"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True)
class OperatorCredentials:
    """What an operator proves itself with. `certificate`, `key`, `authority`: PEM; `address`: the mutual-TLS port's."""

    address: str
    operator_id: str
    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes


def configuration_folder(
    environment: Mapping[str, str] = os.environ, *, platform: str = sys.platform, home: Path | None = None
) -> Path:
    """The folder for this user; it need not exist."""
    if environment.get("AUTOGLM_HOME"):
        return Path(environment["AUTOGLM_HOME"])
    user = Path.home() if home is None else home
    if platform == "darwin":
        return user / "Library" / "Application Support" / "autoglm"
    if platform == "win32":
        return Path(environment.get("APPDATA") or user / "AppData" / "Roaming") / "autoglm"
    base = environment.get("XDG_CONFIG_HOME", "")
    # The specification says that a relative path here is invalid and to be ignored.
    return (Path(base) if Path(base).is_absolute() else user / ".config") / "autoglm"


def save_credentials(credentials: OperatorCredentials, folder: Path) -> None:
    """Store `credentials`; every file is private from its first byte."""
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    profile = {"address": credentials.address, "operator": credentials.operator_id}
    _write_private(folder / AUTHORITY, credentials.authority)
    _write_private(folder / CERTIFICATE, credentials.certificate)
    _write_private(folder / KEY, credentials.key)
    _write_private(folder / PROFILE, json.dumps(profile, indent=2).encode())


def load_credentials(folder: Path) -> OperatorCredentials:
    """Read what `save_credentials` stored.

    Raises:
        NotLoggedIn: nothing complete is there.
    """
    try:
        profile = json.loads((folder / PROFILE).read_bytes())
        return OperatorCredentials(
            address=profile["address"],
            operator_id=profile["operator"],
            certificate=(folder / CERTIFICATE).read_bytes(),
            key=(folder / KEY).read_bytes(),
            authority=(folder / AUTHORITY).read_bytes(),
        )
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise NotLoggedIn from error


def _write_private(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(part, path)
