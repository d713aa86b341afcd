"""Why a model cannot be put on the shelf or taken from it, and what to do about it.

Names in these errors are those of files in a model's folder or of its tensors, never a path.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import NoReturn

from autoglm_core.errors import AutoglmError, InvalidInput, Kind, NotFound, RemoteError


class ModelMissing(NotFound):
    """No model of that content is on this machine's shelf. `source`: as the study has it, where known."""

    code = "model-missing"

    def __init__(self, *, content: str, source: str = "", program: str = "autoglm-agent") -> None:
        fetched = source[4:] if source.startswith("hub:") else "NAME@REVISION"
        other = "" if source.startswith("hub:") else f" or `{program} models add FOLDER`"
        change = f"run `{program} models fetch {fetched}`{other} on that machine"
        if source == "coordinator" and program == "autoglm-agent":
            change = "it comes from the coordinator once the study is approved; rows can be checked then"
        super().__init__(
            f"model {content[:12]} is not on {_SHELVES.get(program, 'this')} shelf: {change}",
            content=content,
            source=source,
            program=program,
        )


_SHELVES = {"autoglm-agent": "this machine's", "autoglm-coordinator": "the coordinator's"}


class ModelDamaged(AutoglmError):
    """A model on the shelf is not what its hash says. `file`: the first one that differs."""

    code = "model-damaged"
    kind = Kind.CONFLICT

    def __init__(self, *, content: str, file: str) -> None:
        super().__init__(
            f"{file} of model {content[:12]} is not what its hash says: "
            f"run `autoglm-agent models remove {content[:12]}`, then fetch or add it again",
            content=content,
            file=file,
        )


class ShortContent(InvalidInput):
    """The start of a hash fits several models, or is too short to be meant."""

    code = "short-content"

    def __init__(self, *, content: str, alike: int) -> None:
        super().__init__(
            f"{content!r} is too short ({alike} models begin so): type more digits", content=content, alike=alike
        )


class NotInstalled(AutoglmError):
    """Models can be listed here, but not looked at."""

    code = "models-not-installed"
    kind = Kind.CONFLICT

    def __init__(self, *, packages: str) -> None:
        super().__init__(f"{packages} not installed: run pip install 'autoglm[train]'", packages=packages)


class UnfitModel(InvalidInput):
    """A folder cannot be put on the shelf."""

    code = "unfit-model"


class FileMissing(UnfitModel):
    """The folder lacks a file that every model has."""

    code = "model-file-missing"

    def __init__(self, *, file: str, hint: str) -> None:
        super().__init__(f"the folder has no {file}: {hint}", file=file, hint=hint)


class OddFile(UnfitModel):
    """A file of the model cannot be taken as it is."""

    code = "odd-model-file"

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"{file} {reason}", file=file, reason=reason)


class PickleCheckpoint(UnfitModel):
    """The weights are pickled: loading them may run anything."""

    code = "pickle-checkpoint"

    def __init__(self, *, file: str) -> None:
        super().__init__(
            f"{file} is a pickle, which runs code when it is loaded: take a revision with model.safetensors, or "
            "convert it on a machine that you can spare",
            file=file,
        )


class RemoteCode(UnfitModel):
    """The repository wants its own Python code run. `conversion`: a repository of the same model without."""

    code = "remote-code"

    def __init__(self, *, architecture: str, conversion: str) -> None:
        instead = "take a conversion to transformers' own classes (a repository whose name ends in -hf)"
        if conversion:
            instead = f"take its conversion {conversion}"
        elif architecture == "chatglm":
            instead = (
                "of GLM-4 take the conversion (zai-org/glm-4-9b-chat-hf or -hf, -chat-1m-hf); ChatGLM 1 to 3 have none "
                "there, so take another model"
            )
        super().__init__(
            f"{architecture or 'this model'} asks for code of its own repository, which is never run here: {instead}",
            architecture=architecture,
            conversion=conversion,
        )


class UnknownArchitecture(UnfitModel):
    """The installed transformers has no such model type."""

    code = "unknown-architecture"

    def __init__(self, *, architecture: str, installed: str) -> None:
        super().__init__(
            f"transformers {installed} knows no text model of type {architecture!r}: install a newer transformers, or "
            "choose another model",
            architecture=architecture,
            installed=installed,
        )


class BadModelConfig(UnfitModel):
    """config.json does not describe a model that can be built."""

    code = "bad-model-config"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"config.json does not describe a model: {reason}", reason=reason)


class TokenizerUnfit(UnfitModel):
    """The tokenizer speaks of tokens that the model has no embedding for."""

    code = "tokenizer-unfit"

    def __init__(self, *, tokens: int, embeddings: int) -> None:
        super().__init__(
            f"the tokenizer numbers its tokens up to {tokens - 1}, the model has embeddings for {embeddings}: "
            "take the tokenizer.json that belongs to these weights",
            tokens=tokens,
            embeddings=embeddings,
        )


class WeightsUnfit(UnfitModel):
    """The weights are not those of the configuration. `reason`: missing, unexpected, shape or type."""

    code = "weights-unfit"

    def __init__(self, *, reason: str, tensor: str, count: int) -> None:
        super().__init__(
            f"the weights do not match config.json ({reason}: {tensor}, {count} in all): "
            "take both from one revision of the repository",
            reason=reason,
            tensor=tensor,
            count=count,
        )


class TooLarge(UnfitModel):
    """A file or a folder is larger than any model is."""

    code = "model-too-large"

    def __init__(self, *, what: str, limit: int) -> None:
        super().__init__(f"{what}: more than {limit}, which no model needs", what=what, limit=limit)


def disk_full(error: OSError) -> bool:
    """Whether that is what the system says."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class NoRoomOnDisk(AutoglmError):
    """The shelf's disk is full."""

    code = "disk-full"
    kind = Kind.EXHAUSTED

    def __init__(self) -> None:
        super().__init__("the disk of the models' folder is full: free some, or set `[models] path` to another disk")


MODEL_ERRORS: Mapping[str, Callable[..., AutoglmError]] = {
    error.code: error
    for error in (
        ModelMissing, ModelDamaged, FileMissing, OddFile, PickleCheckpoint, RemoteCode, UnknownArchitecture,
        BadModelConfig, TokenizerUnfit, WeightsUnfit, TooLarge, NoRoomOnDisk,
    )
}  # fmt: skip
"""By code, to raise again what a child raised."""


def raise_again(error: RemoteError, known: Mapping[str, Callable[..., AutoglmError]] = MODEL_ERRORS) -> NoReturn:
    """Raise the error of `known` that a child raised; any other as it came."""
    made = known.get(error.remote_code)
    if made is None:
        raise error
    raise made(**error.data) from None
