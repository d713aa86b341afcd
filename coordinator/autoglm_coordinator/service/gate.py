"""Who may call what: the services' one question, asked of the peer's certificate on every call and message."""

from __future__ import annotations

from typing import Any

import grpc.aio

from autoglm_coordinator.pki.access import Access
from autoglm_core.identity import Identity, Role

Context = grpc.aio.ServicerContext[Any, Any]


class Gate:
    """`Access` over a call's context."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def require(self, context: Context, role: Role) -> Identity:
        """The peer's identity, if it is of `role`, valid and not revoked; raises as `Access.authorize`."""
        return self._access.authorize(context.auth_context(), role)
