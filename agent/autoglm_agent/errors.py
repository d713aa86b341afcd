"""What an administrator is told. These stay at the site; what travels is a `RefusalCode`."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, Conflict, Denied, InvalidInput, Kind, NotFound


class BadConfig(InvalidInput):
    """agent.toml cannot be used; `path` is the key, `nearest` the key that was perhaps meant."""

    code = "bad-agent-config"

    def __init__(self, *, path: str, reason: str, nearest: str | None = None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"agent.toml, {path}: {reason}{hint}", path=path, reason=reason, nearest=nearest)


class NotJoined(Conflict):
    """The agent has no identity yet."""

    code = "not-joined"

    def __init__(self) -> None:
        super().__init__(
            "this agent has not joined a deployment: run `autoglm-agent join TOKEN` with a token from its operator"
        )


class AlreadyJoined(Conflict):
    """A second join would throw away the site key that other sites' rosters hold."""

    code = "already-joined"

    def __init__(self, *, agent: str) -> None:
        super().__init__(
            f"this agent has joined as {agent}: its state folder holds the site key; use an empty `state` to join anew",
            agent=agent,
        )


class StateDamaged(InvalidInput):
    """A file of the state folder cannot be read."""

    code = "state-damaged"

    def __init__(self, *, part: str) -> None:
        super().__init__(
            f"the state folder's {part} is missing or damaged: restore it from a copy, or join anew", part=part
        )


class AlreadyRunning(Conflict):
    """Two daemons on one state folder would reuse session ids."""

    code = "agent-already-running"

    def __init__(self) -> None:
        super().__init__(
            "another autoglm-agent runs on this state folder: stop it first, or give this one its own `state`"
        )


class UnknownStudy(NotFound):
    """No study of that id was offered."""

    code = "unknown-study"

    def __init__(self, *, study_id: str) -> None:
        super().__init__(
            f"no study {study_id!r} was offered to this agent: `autoglm-agent studies` lists them", study_id=study_id
        )


class CannotTakePart(Conflict):
    """A study was approved and this site's data or machine cannot do it; the ledger holds a no with the same code."""

    code = "cannot-take-part"

    def __init__(self, *, study_id: str, refusal: str, hint: str) -> None:
        super().__init__(
            f"{study_id} cannot run here ({refusal}): {hint}; then approve it again", study_id=study_id, refusal=refusal
        )


class NoRoster(NotFound):
    """No roster was offered, or none begins with what was typed."""

    code = "no-roster"

    def __init__(self, *, prefix: str = "") -> None:
        asked = f" that begins with {prefix!r}" if prefix else ""
        super().__init__(
            f"no roster{asked} was offered to this agent: `autoglm-agent roster show` prints it", prefix=prefix
        )


class NotInRoster(Conflict):
    """The roster holds another key for this site, or none."""

    code = "not-in-roster"

    def __init__(self) -> None:
        super().__init__(
            "this roster does not hold this site's own key: ask the operator to propose it again; do not accept it"
        )


class AuditBroken(AutoglmError):
    """The audit log was changed after it was written."""

    code = "audit-broken"
    kind = Kind.INTERNAL

    def __init__(self, *, sequence: int, reason: str) -> None:
        super().__init__(f"the audit log breaks at entry {sequence}: {reason}", sequence=sequence, reason=reason)


class NotAllowedOut(Denied):
    """Something asked to leave the site that is not on the allow-list."""

    code = "not-allowed-out"

    def __init__(self, *, what: str) -> None:
        super().__init__(f"{what} may not leave this site", what=what)


class SessionReused(Conflict):
    """A session id, or one session's masked vector, came a second time."""

    code = "session-reused"

    def __init__(self) -> None:
        super().__init__("this session id was used before; the coordinator must start a new session")


class Disconnected(AutoglmError):
    """The stream ended."""

    code = "disconnected"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the connection to the coordinator ended: {reason}", reason=reason)


class UnknownDataset(NotFound):
    """agent.toml declares no such data."""

    code = "unknown-dataset"

    def __init__(self, *, name: str, known: str) -> None:
        super().__init__(f"agent.toml has no [data.{name}]; it has: {known or 'none'}", name=name, known=known)


class DaemonNotRunning(AutoglmError):
    """Nobody listens in the state folder."""

    code = "daemon-not-running"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("the agent does not run: start it with `autoglm-agent run`")


class StillWorking(AutoglmError):
    """The agent runs and has not answered yet; what it was asked for goes on."""

    code = "still-working"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, seconds: float) -> None:
        super().__init__(f"the agent is still working after {seconds:g} s: see `autoglm-agent status`", seconds=seconds)
