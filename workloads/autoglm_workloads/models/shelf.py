"""The shelf: one folder of a machine with a folder per model, named by the hash of its content.

    ~/.cache/autoglm/models/<64 hexadecimal digits>/
        config.json tokenizer.json model.safetensors      the model, which its content hash covers
        shelf.json description.json                       its label, and what daemons know of it

A model is written beside its place and renamed, so a name on the shelf is a whole model. Nothing here imports torch:
what must be built to be checked is built in a child without network (`models/tasks.py`).

The cache of huggingface_hub was rejected: it names models by repository and revision, which anybody can move or a
mirror can serve otherwise, holds links, and knows nothing of folders that came by other ways.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from autoglm_core.canonical import canonical_json
from autoglm_workloads.models.description import Description
from autoglm_workloads.models.errors import ModelDamaged, ModelMissing, NoRoomOnDisk, disk_full
from autoglm_workloads.models.files import content_hash, copy_hashed, file_hash, model_files, read_json
from autoglm_workloads.models.place import shelf_folder

__all__ = [
    "CONTENT", "TOKENIZER", "ShelvedModel", "adopt", "claimed", "find", "free_bytes", "label_of", "put", "remove",
    "shelf_folder", "shelved",
]  # fmt: skip

LABEL, DESCRIPTION = "shelf.json", "description.json"
TOKENIZER = "tokenizer.json"
CONTENT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ShelvedModel:
    """A model that is here and whole. `path`: its folder; `name`, `source`: as it came, for people."""

    content: str
    path: Path
    description: Description
    name: str
    source: str
    files: Mapping[str, str]
    """SHA-256 of each file by name."""

    def __hash__(self) -> int:
        return hash(self.content)

    @property
    def tokenizer(self) -> Path:
        """Its tokenizer's file."""
        return self.path / TOKENIZER


_Seen = dict[str, tuple[int, int, int]]
_found: dict[Path, tuple[ShelvedModel, _Seen]] = {}
"""Models whose files were hashed in this process, with size, time and inode of each file then."""


def find(content: str, *, source: str = "") -> ShelvedModel:
    """The model of that content. Its files are hashed once per process; later only looked at.

    Args:
        content: 64 hexadecimal digits.
        source: as the study has it, for the error's advice.

    Raises:
        ModelMissing: it is not on this machine's shelf.
        ModelDamaged: a file of it was changed since.
    """
    place = shelf_folder() / content
    if not CONTENT.fullmatch(content) or not place.is_dir():
        raise ModelMissing(content=content, source=source)
    known = _found.get(place)
    if known is not None and _look(place, known[0].files) == known[1]:
        return known[0]
    model = _read(place)
    seen = _look(place, model.files)
    for name, expected in model.files.items():
        if name not in seen or file_hash(place / name) != expected:
            raise ModelDamaged(content=content, file=name)
    _found[place] = (model, seen)
    return model


def _look(place: Path, files: Mapping[str, str]) -> _Seen:
    """What changes with a file, of each one that is a file and no link."""
    found = ((name, place / name) for name in (*files, LABEL, DESCRIPTION))
    states = {name: path.lstat() for name, path in found if path.is_file() and not path.is_symlink()}
    return {name: (state.st_size, state.st_mtime_ns, state.st_ino) for name, state in states.items()}


def _read(place: Path) -> ShelvedModel:
    """A model as its label has it; that the label belongs to the content is checked, the files are not."""
    try:
        label = read_json(place / LABEL)
        files = {str(name): str(sha256) for name, sha256 in label["files"].items()}
        name, source = str(label["name"]), str(label["source"])
        description = Description.from_json(read_json(place / DESCRIPTION))
    except Exception:  # whatever a file that somebody edited may cause
        raise ModelDamaged(content=place.name, file=LABEL) from None
    if content_hash(files) != place.name:
        raise ModelDamaged(content=place.name, file=LABEL)
    return ShelvedModel(place.name, place, description, name, source, files)


def label_of(content: str) -> Mapping[str, str]:
    """SHA-256 of each file by name, as the label of a model on the shelf has it; no file is read.

    Raises:
        ModelMissing: it is not there.
        ModelDamaged: its label cannot be read.
    """
    place = shelf_folder() / content
    if not CONTENT.fullmatch(content) or not place.is_dir():
        raise ModelMissing(content=content)
    return _read(place).files


def shelved() -> Iterator[ShelvedModel]:
    """Every model on the shelf, by its name; unreadable ones are left out."""
    found = []
    for place in sorted(shelf_folder().glob("*")):
        if CONTENT.fullmatch(place.name):
            try:
                found.append(_read(place))
            except ModelDamaged:
                continue
    yield from sorted(found, key=lambda model: model.name)


def put(
    folder: Path, *, name: str = "", source: str = "site", describe: Callable[[Path], Description] | None = None
) -> ShelvedModel:
    """Check the model in `folder`, copy it onto the shelf, and describe it; one that is there already is left alone.

    Args:
        folder: of a Hugging Face model.
        name: for people; the folder's own where empty.
        source: where sites without it get it: `hub:NAME@REVISION`, `site` or `coordinator`.
        describe: how its modules are looked at; in a child of its own unless the caller has torch loaded anyway.

    Raises:
        UnfitModel: with what to change.
        NoRoomOnDisk: the shelf's disk is full.
    """
    names = model_files(folder)
    with _room_needed(), _staging() as stage:
        files = {entry: copy_hashed(folder / entry, stage / entry) for entry in sorted(names)}
        content = _shelve(stage, files, name or folder.resolve().name, source, describe or _in_child)
    return find(content)


def adopt(folder: Path, *, name: str, source: str) -> ShelvedModel:
    """As `put`, for a folder that was filled on the shelf's own disk: its files move, and the folder is gone.

    Raises:
        UnfitModel: the folder stays.
        NoRoomOnDisk: the shelf's disk is full.
    """
    names = model_files(folder)
    with _room_needed(), _staging() as stage:
        files = {entry: file_hash(folder / entry) for entry in sorted(names)}
        for entry in files:
            os.link(folder / entry, stage / entry)
        content = _shelve(stage, files, name, source, _in_child)
    shutil.rmtree(folder)
    return find(content)


def _shelve(
    stage: Path, files: Mapping[str, str], name: str, source: str, describe: Callable[[Path], Description]
) -> str:
    """Describe the files in `stage` and give them their place; its name."""
    content = content_hash(files)
    place = shelf_folder() / content
    if not place.is_dir():
        description = describe(stage)
        (stage / DESCRIPTION).write_bytes(canonical_json(description.to_json()))
        (stage / LABEL).write_text(json.dumps({"name": name, "source": source, "files": files}, indent=1))
        _publish(stage, place)
    return content


def remove(content: str) -> None:
    """Take a model off the shelf; at once, whatever is still being read of it. Raises `ModelMissing`."""
    place = shelf_folder() / content
    if not CONTENT.fullmatch(content) or not place.is_dir():
        raise ModelMissing(content=content)
    with _staging() as stage:
        place.rename(stage / content)
    _found.pop(place, None)


@contextmanager
def _staging() -> Iterator[Path]:
    """A folder on the shelf's disk that is gone afterwards."""
    shelf_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".stage-", dir=shelf_folder(), ignore_cleanup_errors=True) as folder:
        inner = Path(folder) / "model"
        inner.mkdir()
        yield inner


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make `folder`, which nobody else on this machine fills meanwhile; wait for whoever does. Left empty, it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with suppress(FileExistsError):
            os.mkdir(folder)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # whoever had it left it empty just now
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _stands_at(folder, handle):
                continue  # the one that was waited for is gone; one of that name may be another's by now
            try:
                yield
            finally:
                with suppress(OSError):
                    folder.rmdir()
            return
        finally:
            os.close(handle)


def _stands_at(folder: Path, handle: int) -> bool:
    """Whether `handle` is of the folder that has this name now."""
    try:
        return folder.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _publish(stage: Path, place: Path) -> None:
    """Rename a finished folder into its place; whoever came first with the same content wins."""
    try:
        stage.rename(place)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


@contextmanager
def _room_needed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if disk_full(error):
            raise NoRoomOnDisk from None
        raise


def free_bytes() -> int:
    """Free on the shelf's disk."""
    folder = next(path for path in (shelf_folder(), *shelf_folder().parents) if path.exists())
    return shutil.disk_usage(folder).free


def _in_child(folder: Path) -> Description:
    from autoglm_workloads.models.inspection import describe_in_child

    return describe_in_child(folder)
