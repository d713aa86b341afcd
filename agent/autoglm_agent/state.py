"""The agent's state folder: who it is, and its three secrets.

    identity.json  agent id, addresses          tls.pem   TLS key and certificate; replaced at every renewal
    ca.pem         authority of the deployment  site.key  Ed25519; stands in other sites' rosters, never replaced
    site.secret    32 bytes, keys the stochastic rounding of updates, so that a repeated round rounds alike

`identity.json` is written last: a folder without it has not joined. The ledger, the audit log, the residuals of error
feedback and the socket lie beside them.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from autoglm_agent.errors import AlreadyRunning, NotJoined, StateDamaged
from autoglm_agent.files import OWN_FOLDER, write_durable
from autoglm_core.canonical import canonical_json
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.keys import SiteKey

if TYPE_CHECKING:
    from autoglm_protos.enroll import Enrolled
    from autoglm_protos.tls import Credentials

SECRET_BYTES = 32
_DIVIDER = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Identity:
    """`agent_id`: also this site's id in rosters; `address`: the mutual-TLS port; `join_address`: to come back."""

    agent_id: str
    address: str
    join_address: str


@dataclass(frozen=True)
class StateFolder:
    """The folder at `path`; every file in it is for this user alone."""

    path: Path

    @property
    def ledger(self) -> Path:
        """The SQLite ledger."""
        return self.path / "ledger.db"

    @property
    def audit(self) -> Path:
        """The audit log."""
        return self.path / "audit.jsonl"

    @property
    def residuals(self) -> Path:
        """The folder of what error feedback keeps; there once something is."""
        return self.path / "residuals"

    @property
    def kept_head(self) -> Path:
        """The newest audit head that the coordinator acknowledged."""
        return self.path / "audit.head"

    @property
    def socket(self) -> Path:
        """Where the daemon listens for the command line."""
        return self.path / "agent.sock"

    @property
    def joined(self) -> bool:
        """Whether there is an identity."""
        return (self.path / "identity.json").exists()

    def prepare(self) -> SiteKey:
        """Make folder, site key and secret unless they are there: a join that failed half-way keeps its key."""
        self.path.mkdir(parents=True, exist_ok=True, mode=OWN_FOLDER)
        self.path.chmod(OWN_FOLDER)
        if not (self.path / "site.key").exists():
            write_durable(self.path / "site.key", SiteKey.generate().to_bytes())
        if not (self.path / "site.secret").exists():
            write_durable(self.path / "site.secret", os.urandom(SECRET_BYTES))
        return self.site_key()

    def keep(self, enrolled: Enrolled) -> None:
        """Write what a join or a re-enrolment brought."""
        self.keep_credentials(enrolled.credentials)
        identity = {"agent_id": enrolled.id, "address": enrolled.address, "join_address": enrolled.join_address}
        write_durable(self.path / "identity.json", canonical_json(identity))

    def keep_credentials(self, credentials: Credentials) -> None:
        """Replace key and certificate together: they lie in one file, so that a crash cannot part them."""
        write_durable(self.path / "ca.pem", credentials.ca)
        write_durable(self.path / "tls.pem", credentials.private_key + credentials.certificate)

    def identity(self) -> Identity:
        """Who this agent is.

        Raises:
            NotJoined: it has not joined.
            StateDamaged: the file cannot be read.
        """
        if not self.joined:
            raise NotJoined
        try:
            return Identity(**json.loads((self.path / "identity.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            raise StateDamaged(part="identity") from None

    def credentials(self) -> Credentials:
        """Key, certificate and authority.

        Raises:
            StateDamaged: a file is missing or is no PEM.
        """
        from autoglm_protos.tls import Credentials

        private_key, divider, rest = self._read("tls.pem", "TLS key").partition(_DIVIDER)
        if not divider:
            raise StateDamaged(part="TLS certificate")
        return Credentials(private_key, divider + rest, self._read("ca.pem", "authority"))

    def site_key(self) -> SiteKey:
        """The site's signing key.

        Raises:
            StateDamaged: the file is missing or has another length.
        """
        try:
            return SiteKey.from_bytes(self._read("site.key", "site key"))
        except Malformed:
            raise StateDamaged(part="site key") from None

    def site_secret(self) -> bytes:
        """32 bytes that never leave.

        Raises:
            StateDamaged: the file is missing or has another length.
        """
        secret = self._read("site.secret", "site secret")
        if len(secret) != SECRET_BYTES:
            raise StateDamaged(part="site secret")
        return secret

    def lock(self) -> FolderLock:
        """Claim the folder for this process; the claim ends with the process.

        Raises:
            AlreadyRunning: another daemon has it.
        """
        file = (self.path / "lock").open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyRunning from None
        return FolderLock(file)

    def _read(self, name: str, part: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError:
            raise StateDamaged(part=part) from None


@dataclass(frozen=True)
class FolderLock:
    """Held while `file` is open."""

    file: BinaryIO = field(repr=False)

    def release(self) -> None:
        """Let another process have the folder."""
        self.file.close()
