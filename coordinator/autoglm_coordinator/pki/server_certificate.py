"""The coordinator's own certificate: in memory only, and replaced in time by whoever asks for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from autoglm_coordinator.pki.authority import Authority
from autoglm_core.clock import Clock
from autoglm_core.identity import Identity, Role
from autoglm_protos.enroll import new_request
from autoglm_protos.tls import Credentials


class ServerCertificate:
    """Hands out valid server credentials. gRPC asks at every handshake, from threads of its own."""

    def __init__(self, authority: Authority, *, hosts: Sequence[str], clock: Clock) -> None:
        self._authority = authority
        self._hosts = tuple(hosts)
        self._clock = clock
        self._lock = threading.Lock()
        self._credentials = self._issue()

    def current(self) -> Credentials:
        """The credentials, issued anew once two thirds of their life are over."""
        with self._lock:
            if self._clock.now() >= self._credentials.renew_at:
                self._credentials = self._issue()
            return self._credentials

    def _issue(self) -> Credentials:
        request = new_request()
        identity = Identity(self._authority.deployment, Role.COORDINATOR, "coordinator")
        issued = self._authority.issue(request.csr, identity, now=self._clock.now(), hosts=self._hosts)
        return Credentials(request.private_key, issued.certificate, issued.ca)
