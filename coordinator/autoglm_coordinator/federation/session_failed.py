"""Why there is no sum."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, Kind


class SessionFailed(AutoglmError):
    """A session ended without a sum. `declined`: codes that agents gave, by how often. `blamed`: names, with how.

    `lasting`: a new session over the same model cannot pass.
    """

    code = "session-failed"
    kind = Kind.ABORTED

    def __init__(
        self, *, purpose: str, reason: str, declined: str = "", blamed: str = "", lasting: bool = False
    ) -> None:
        told = f"; agents said: {declined}" if declined else ""
        told += f"; to blame, and left out from now on: {blamed}" if blamed else ""
        data = {name: value for name, value in (("declined", declined), ("blamed", blamed)) if value}
        super().__init__(
            f"a {purpose} session ended without a sum: {reason}{told}", purpose=purpose, reason=reason, **data
        )
        self.reason = reason
        self.declined = declined
        self.lasting = lasting
