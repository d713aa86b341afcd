"""A language model that the coordinator serves to the agents of a study: `source: coordinator` in the study.

Asked for by hash through `Get` like any artifact, read from the shelf and not from the store, where a second copy of
gigabytes would lie. Whoever was offered the study may read the files of that model, and nobody else.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autoglm_core.errors import AutoglmError
from autoglm_core.study import Study
from autoglm_workloads.models.errors import ModelMissing
from autoglm_workloads.models.files import listing
from autoglm_workloads.models.needed import needed_model
from autoglm_workloads.models.place import shelf_folder
from autoglm_workloads.models.shelf import label_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """`files`: each one's place by its SHA-256; `listing`: what the `content` is the hash of."""

    content: str
    listing: bytes
    files: Mapping[str, Path]

    def open(self, sha256: str, offset: int) -> tuple[BinaryIO, int] | None:
        """A file of the model open at `offset`, and its size; None where the model has none of that hash.

        Raises:
            ModelMissing: it was taken off the shelf meanwhile.
        """
        if sha256 == self.content:
            handle: BinaryIO = io.BytesIO(self.listing)
        elif sha256 in self.files:
            try:
                handle = self.files[sha256].open("rb")
            except FileNotFoundError:
                raise ModelMissing(content=self.content, program="autoglm-coordinator") from None
        else:
            return None
        size = handle.seek(0, io.SEEK_END)
        handle.seek(max(offset, 0))
        return handle, size


def served_model(body: bytes) -> ServedModel | None:
    """The model of the study in `body`, if it names this coordinator as its source and the shelf has it."""
    needed = needed_model(Study.from_json(json.loads(body)))
    if needed is None or not needed.served:
        return None
    try:
        hashes = label_of(needed.content)
    except AutoglmError as error:
        LOG.warning("a study's model cannot be served: %s", error.message)
        return None
    place = shelf_folder() / needed.content
    return ServedModel(needed.content, listing(hashes), {sha256: place / name for name, sha256 in hashes.items()})
