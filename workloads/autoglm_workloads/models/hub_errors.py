"""Why a model could not be fetched from the hub, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoglm_core.errors import AutoglmError, Denied, InvalidInput, Kind, NotFound
from autoglm_workloads.models.errors import MODEL_ERRORS


class BadModelName(InvalidInput):
    """What was typed is no model of the hub."""

    code = "bad-model-name"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"{name!r} is no model of the hub: it is written OWNER/NAME@REVISION, the revision in 40 hexadecimal "
            "digits, such as zai-org/glm-4-9b-chat-hf@8599336fc6c125203efb2360bfaf4c80eef1d1bf",
            name=name,
        )


class RevisionNotPinned(InvalidInput):
    """A branch or a tag was named, which its owner can move. `commit`: where it points now."""

    code = "revision-not-pinned"

    def __init__(self, *, name: str, revision: str, commit: str) -> None:
        super().__init__(
            f"{revision!r} can be moved by its owner; it now is {commit}: fetch {name}@{commit}",
            name=name,
            revision=revision,
            commit=commit,
        )


class UnknownRepository(NotFound):
    """The hub shows no such repository to who asks."""

    code = "unknown-repository"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"the hub has no model {name}, or hides it: correct the name, or set HF_TOKEN to a token that may read it",
            name=name,
        )


class UnknownRevision(NotFound):
    """The repository has no such revision."""

    code = "unknown-revision"

    def __init__(self, *, name: str, revision: str) -> None:
        super().__init__(
            f"{name} has no revision {revision}: copy the commit from its page", name=name, revision=revision
        )


class HubRefused(Denied):
    """The repository is gated, or the token is not good."""

    code = "hub-refused"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"the hub refuses {name}: accept its terms on its page, and set HF_TOKEN to a token of that account",
            name=name,
        )


class HubUnreachable(AutoglmError):
    """No answer, or an answer that makes no sense."""

    code = "hub-unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"the hub cannot be reached ({reason}): check HTTPS_PROXY, HF_ENDPOINT and the firewall, then run it "
            "again, it goes on where it stopped; or fetch it on another machine and use `models add FOLDER`",
            reason=reason,
        )


_ERRORS = (BadModelName, RevisionNotPinned, UnknownRepository, UnknownRevision, HubRefused, HubUnreachable)
HUB_ERRORS: Mapping[str, Callable[..., AutoglmError]] = {**MODEL_ERRORS, **{error.code: error for error in _ERRORS}}
"""By code, to raise again what the fetching process raised."""
