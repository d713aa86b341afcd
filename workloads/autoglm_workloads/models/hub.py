"""Download a revision's model files from the hub: `python -m autoglm_workloads.models.hub NAME REVISION FOLDER`.

Started by `models/fetch.py` as a process of its own, the only one that speaks to the hub. The small files come first,
so that code, pickles and unknown forms are refused before gigabytes are fetched. Each file grows in `NAME.part`, is
checked against the hash that the hub has for it, and then gets its name: an interrupted download goes on where it
stopped. `snapshot_download` was rejected: it starts an interrupted file anew (as of huggingface_hub 2.4), and checks
sizes alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from autoglm_core.errors import AutoglmError
from autoglm_workloads.child.sandbox import die_with_parent
from autoglm_workloads.models import files
from autoglm_workloads.models.errors import FileMissing, NoRoomOnDisk, OddFile, PickleCheckpoint, TooLarge, disk_full
from autoglm_workloads.models.hub_errors import (
    HubRefused,
    HubUnreachable,
    RevisionNotPinned,
    UnknownRepository,
    UnknownRevision,
)


def main(arguments: Sequence[str]) -> int:
    """Download; an error is told as one line of JSON on standard output."""
    die_with_parent(signal.SIGKILL)
    name, revision, folder = arguments
    try:
        with _translated(name, revision):
            download(name, revision, Path(folder))
    except AutoglmError as error:
        print(json.dumps({"code": error.code, "data": error.data}))  # noqa: T201 - to the parent
        return 1
    return 0


def download(name: str, revision: str, folder: Path) -> None:
    """The files of `name` at `revision` into `folder`, those that are there left out.

    Raises:
        UnfitModel, NoRoomOnDisk, and the errors of `hub_errors`.
    """
    sizes = _listing(name, revision)
    small = [entry for entry in (files.CONFIG, files.TOKENIZER, *files.OPTIONAL, files.INDEX) if entry in sizes]
    if files.WEIGHTS in sizes and files.INDEX in small:
        small.remove(files.INDEX)
    for entry in small:
        _bounded(entry, sizes)
        _file(name, revision, entry, folder)
    weights = _weights(folder, sizes)
    files.refuse_code(folder, small)
    missing = sum(sizes.get(entry, 0) for entry in weights if not (folder / entry).exists())
    if missing > shutil.disk_usage(folder).free:
        raise NoRoomOnDisk
    for entry in weights:
        _file(name, revision, entry, folder)


def _bounded(entry: str, sizes: Mapping[str, int]) -> None:
    if sizes[entry] > files.MOST_JSON:
        raise TooLarge(what=f"bytes of {entry}", limit=files.MOST_JSON)


def _listing(name: str, revision: str) -> dict[str, int]:
    """Sizes by file name, of a revision that is a commit."""
    from huggingface_hub import HfApi

    found = HfApi().model_info(name, revision=revision, files_metadata=True)
    if found.sha != revision:
        raise RevisionNotPinned(name=name, revision=revision, commit=str(found.sha))
    return {entry.rfilename: entry.size or 0 for entry in found.siblings or ()}


def _weights(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """The safetensors files to fetch."""
    if files.WEIGHTS in sizes:
        return [files.WEIGHTS]
    if files.INDEX in sizes:
        return files.shards(folder)
    pickled = next((entry for entry in sorted(sizes) if entry.endswith(files.PICKLES)), None)
    if pickled is not None:
        raise PickleCheckpoint(file=pickled[:96])
    raise FileMissing(file=files.WEIGHTS, hint="choose a revision with weights as safetensors")


def _file(name: str, revision: str, entry: str, folder: Path) -> None:
    """One file, from the byte where an earlier download stopped."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    done, part = folder / entry, folder / f"{entry}.part"
    if done.exists():
        return
    url = hf_hub_url(name, entry, revision=revision)
    found = get_hf_file_metadata(url)
    headers = build_hf_headers()
    if urlsplit(found.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the store of large files has no business with the token
    if part.exists() and part.stat().st_size > (found.size or 0):
        part.unlink()
    with part.open("ab") as file:
        http_get(
            found.location,
            file,
            resume_size=file.tell(),
            headers=headers,
            expected_size=found.size,
            displayed_filename=entry,
        )
        file.flush()
        files.sync(file)
    if found.etag not in (files.file_hash(part), _blob_hash(part)):
        part.unlink()
        raise OddFile(file=entry, reason="did not arrive as the hub has it: fetch it again")
    part.rename(done)


def _blob_hash(path: Path) -> str:
    """Git's name for a file's content: what the hub gives for files outside of its store of large ones."""
    state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(files.BLOCK):
            state.update(block)
    return state.hexdigest()


@contextmanager
def _translated(name: str, revision: str) -> Iterator[None]:
    """The library's errors as ours."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise HubRefused(name=name) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise UnknownRepository(name=name) from None
    except errors.RevisionNotFoundError:
        raise UnknownRevision(name=name, revision=revision) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise HubRefused(name=name) from None
        raise HubUnreachable(reason=f"it answered {status}") from None
    except errors.HTTPError as error:
        raise HubUnreachable(reason=type(error).__name__) from None
    except OSError as error:
        if disk_full(error):
            raise NoRoomOnDisk from None
        raise HubUnreachable(reason=type(error).__name__) from None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
