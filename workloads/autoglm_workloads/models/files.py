"""The files of a model: which ones count, what is refused before anything parses them, and their hashes.

Only what is needed to load a model is taken: config.json, the tokenizer in its one safe form, and safetensors. Pickles,
code, other formats of the same weights and documents stay behind. Links are refused, for they change what a folder
holds without changing the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from autoglm_core.canonical import Json, canonical_json, digest
from autoglm_core.encoding import Malformed
from autoglm_workloads.models.errors import (
    BadModelConfig,
    FileMissing,
    OddFile,
    PickleCheckpoint,
    RemoteCode,
    TooLarge,
    WeightsUnfit,
)

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
OPTIONAL = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack")
CHATGLM = "chatglm"
"""Model type of repositories of ChatGLM and of the first GLM-4, whose code is their own."""
GLM4_LAYERS, GLM4_WORDS = 40, 151_552
CONVERSIONS: Mapping[int, str] = {
    2**13: "zai-org/glm-4-9b-hf",
    2**17: "zai-org/glm-4-9b-chat-hf",
    2**20: "zai-org/glm-4-9b-chat-1m-hf",
}
"""The same GLM-4 in transformers' classes, by its `seq_length`."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
MOST_FILES = 256
MOST_BYTES = 2 * 10**12
MOST_JSON = 64 * 2**20
"""Bytes of one JSON file; the largest tokenizer.json in use has about 35 MB."""
MOST_HEADER = 25 * 2**20
"""Bytes of a safetensors header, looked at before it is parsed: 100 bytes for each of 250,000 tensors."""
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
OTHERS = frozenset({"I64", "I32", "I16", "U8", "BOOL"})
"""Of buffers, such as numbers of positions. Whatever else (I8, F8_E4M3, ...) belongs to quantized weights."""
BLOCK = 2**20


def model_files(folder: Path) -> dict[str, int]:
    """Names and sizes of the files that make up the model in `folder`, each looked at without a framework.

    Raises:
        UnfitModel: with what to change.
    """
    for name, hint in ((CONFIG, "name the folder of a Hugging Face model"), (TOKENIZER, _NO_TOKENIZER)):
        if not (folder / name).is_file():
            raise FileMissing(file=name, hint=hint)
    names = [CONFIG, TOKENIZER, *(name for name in OPTIONAL if _exists(folder / name)), *_weights(folder)]
    if len(names) > MOST_FILES:
        raise TooLarge(what="files", limit=MOST_FILES)
    sizes = {name: _size(folder, name) for name in names}
    if sum(sizes.values()) > MOST_BYTES:
        raise TooLarge(what="bytes of the folder", limit=MOST_BYTES)
    refuse_code(folder, names)
    for name in names:
        if name.endswith(".safetensors"):
            check_header(folder / name)
    return sizes


_NO_TOKENIZER = (
    "save it with transformers.AutoTokenizer.from_pretrained(...).save_pretrained(...), which writes the one form that "
    "needs no code"
)


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _size(folder: Path, name: str) -> int:
    """Bytes of a regular file of a plain name."""
    if not NAME.fullmatch(name):
        raise OddFile(file=ascii(name[:96]), reason="is no plain file name: letters, digits, dots, _ and -")
    found = (folder / name).lstat()
    if stat.S_ISLNK(found.st_mode):
        raise OddFile(file=name, reason="is a link: copy the folder with `cp -rL` and add the copy")
    if not stat.S_ISREG(found.st_mode):
        raise OddFile(file=name, reason="is no regular file")
    return found.st_size


def read_json(path: Path) -> Json:
    """A JSON object from a file of bounded size. Raises `OddFile`, `TooLarge`."""
    if path.stat().st_size > MOST_JSON:
        raise TooLarge(what=f"bytes of {path.name}", limit=MOST_JSON)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise OddFile(file=path.name, reason="is no JSON") from None
    if not isinstance(value, dict):
        raise OddFile(file=path.name, reason="is no JSON object")
    return value


def _weights(folder: Path) -> list[str]:
    """The safetensors files, with their index where there is one."""
    if _exists(folder / WEIGHTS):
        return [WEIGHTS]
    if not _exists(folder / INDEX):
        pickled = next((path.name for path in sorted(folder.iterdir()) if path.suffix in PICKLES), None)
        if pickled is not None:
            raise PickleCheckpoint(file=pickled)
        raise FileMissing(file=WEIGHTS, hint="a model is added with its weights")
    _size(folder, INDEX)
    names = shards(folder)
    for name in names:
        if not _exists(folder / name):
            raise FileMissing(file=name, hint=f"it is a shard that {INDEX} names; fetch the rest of the weights")
    return [INDEX, *names]


def shards(folder: Path) -> list[str]:
    """The files that the index of `folder` names, each a plain name."""
    names = read_json(folder / INDEX).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise OddFile(file=INDEX, reason="has no weight_map")
    for name in names.values():
        if not isinstance(name, str) or not NAME.fullmatch(name) or not name.endswith(".safetensors"):
            raise OddFile(file=INDEX, reason="names a shard that is no plain .safetensors file")
    return sorted(set(names.values()))


def refuse_code(folder: Path, names: list[str]) -> None:
    """Raise `RemoteCode` or `BadModelConfig` where the configurations among `names` ask for what is not run here."""
    config = read_json(folder / CONFIG)
    architecture = config.get("model_type")
    if not isinstance(architecture, str) or not NAME.fullmatch(architecture):
        raise BadModelConfig(reason="it names no model_type")
    if architecture == CHATGLM:
        raise RemoteCode(architecture=architecture, conversion=_conversion(config))
    for name in (CONFIG, "tokenizer_config.json"):
        if name in names and read_json(folder / name).get("auto_map"):
            raise RemoteCode(architecture=architecture, conversion="")
    if config.get("quantization_config"):
        raise BadModelConfig(reason="its weights are quantized; take the repository that it was quantized from")


def _conversion(config: Json) -> str:
    """Of a `chatglm` model; empty where there is none."""
    if (config.get("num_layers"), config.get("padded_vocab_size")) != (GLM4_LAYERS, GLM4_WORDS):
        return ""
    length = config.get("seq_length")
    return CONVERSIONS.get(length, "") if isinstance(length, int) else ""


def check_header(path: Path) -> None:
    """Bound and read the header of a safetensors file: types, and offsets that lie in the file one after another.

    Raises:
        OddFile, TooLarge, WeightsUnfit: it is no safetensors file, or has quantized weights.
    """
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        if length > MOST_HEADER:
            raise TooLarge(what=f"bytes of the header of {path.name}", limit=MOST_HEADER)
        try:
            tensors = sorted(_tensors(json.loads(file.read(length))))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise OddFile(file=path.name, reason="is no safetensors file") from None
    end = 0
    for begin, stop, kind, name in tensors:
        if begin != end or stop < begin:
            raise OddFile(file=path.name, reason="has tensors that overlap or leave gaps")
        if kind not in FLOATS | OTHERS:
            raise WeightsUnfit(reason="type", tensor=name[:96], count=1)
        end = stop
    if end + 8 + length != path.stat().st_size:
        raise OddFile(file=path.name, reason="is cut off: copy or fetch it again")


def _tensors(header: Json) -> Iterator[tuple[int, int, str, str]]:
    """Where each tensor begins and ends, its type and its name; raises something common on what is no header."""
    for name, entry in header.items():
        if name != "__metadata__":
            (begin, stop), kind = entry["data_offsets"], entry["dtype"]
            if type(begin) is not int or type(stop) is not int or type(kind) is not str:
                raise TypeError(name)
            yield begin, stop, kind, name


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return _hash(file, lambda _: None)


def copy_hashed(source: Path, target: Path) -> str:
    """Copy one file; the SHA-256 of what was written. The copy is on disk when this returns."""
    with source.open("rb") as file, target.open("xb") as copy:
        found = _hash(file, copy.write)
        copy.flush()
        sync(copy)
    return found


def sync(file: BinaryIO) -> None:
    """Have the file's bytes on disk."""
    import os

    os.fsync(file.fileno())


def _hash(file: BinaryIO, take: Callable[[bytes], object]) -> str:
    state = hashlib.sha256()
    for block in _blocks(file):
        state.update(block)
        take(block)
    return state.hexdigest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def listing(hashes: Mapping[str, str]) -> bytes:
    """What the content hash is the SHA-256 of: names and hashes of a model's files."""
    return canonical_json({"files": dict(hashes)})


def read_listing(value: object) -> dict[str, str]:
    """Inverse of `listing`, from its JSON and for a hostile one. Raises `Malformed`."""
    files = value.get("files") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(files, dict) or not 0 < len(files) <= MOST_FILES:
        raise Malformed(what="model: list of files")
    for name, sha256 in files.items():
        if not NAME.fullmatch(name) or not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise Malformed(what="model: list of files")
    return files


def content_hash(hashes: Mapping[str, str]) -> str:
    """Of a model, from the SHA-256 of each of its files by name."""
    return digest(listing(hashes))
