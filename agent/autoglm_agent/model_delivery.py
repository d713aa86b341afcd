"""A study's language model from the coordinator, for a site that approved the study and has no other way to it.

The content hash of a model is the hash of the list of its files, so the list is fetched by it, and each file by the
hash that the list has. What came stays on disk between two connections and two starts. Then it is looked at like any
folder that an administrator adds: a coordinator is not trusted with more than a stranger's repository.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_agent.download import Room
from autoglm_agent.model_progress import WatchedDownload
from autoglm_core.canonical import read_canonical
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.encoding import Malformed
from autoglm_workloads.models.errors import UnfitModel, disk_full
from autoglm_workloads.models.files import MOST_BYTES, file_hash, read_listing
from autoglm_workloads.models.needed import NeededModel, needed_model
from autoglm_workloads.models.place import shelf_folder
from autoglm_workloads.models.shelf import adopt, claimed, free_bytes

if TYPE_CHECKING:
    from autoglm_agent.line import Line
    from autoglm_core.study import Study

LOG = logging.getLogger(__name__)
LARGEST_LISTING = 2**20


class FileDownload:
    """The artifact whose SHA-256 is `sha256`, written to `path`: what is there already is not asked for again."""

    def __init__(self, sha256: str, path: Path, room: Room) -> None:
        self._sha256 = sha256
        self._path = path
        self._room = room
        self._total: int | None = None
        self._first = True
        self._offset = path.stat().st_size if path.exists() else 0

    @property
    def offset(self) -> int:
        """Bytes that are here: where the next call goes on."""
        return self._offset

    @property
    def size(self) -> int | None:
        """Bytes of the whole; None until they are announced."""
        return self._total

    @property
    def complete(self) -> bool:
        """Whether as many bytes came as were announced."""
        return self._offset == self._total

    def begin(self) -> None:
        """The next chunk is the first of a new call."""
        self._first = True

    def add(self, total: int, data: bytes) -> None:
        """One chunk; `total`, the size of the whole, counts in the first of a call.

        Raises:
            RefusedWith: `artifact-damaged`: more than there is room for, or than was announced; `disk-full`.
        """
        if self._first:
            self._announced(total)
        if self._total is None or self._offset + len(data) > self._total:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)
        try:
            with self._path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise RefusedWith(RefusalCode.DISK_FULL if disk_full(error) else RefusalCode.INTERNAL) from None
        self._offset += len(data)

    def _announced(self, total: int) -> None:
        self._first = False
        if self._total is None:
            self._room.take(max(total - self._offset, 0))
            self._total = total
        if total != self._total or self._offset > total:
            self._path.unlink(missing_ok=True)
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)

    def finish(self, target: Path) -> None:
        """Give the file its name; raises `RefusedWith` `artifact-damaged` where its hash is another."""
        if file_hash(self._path) != self._sha256:
            self._path.unlink()
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)
        self._path.rename(target)


@dataclass(frozen=True)
class ModelDelivery:
    """Brings models onto this machine's shelf. `coming`: the file that is on its way now, by study."""

    line: Line
    coming: dict[str, WatchedDownload] = field(default_factory=dict)

    async def bring(self, study_id: str, study: Study) -> None:
        """Have the model of an approved `study` here and its files checked; fetch it if the coordinator serves it.

        Raises:
            RefusedWith: it did not arrive, or is none that may be used.
            ModelMissing, ModelDamaged: this machine is to have it by other ways, and has not.
        """
        needed = needed_model(study)
        if needed is None:
            return
        if needed.served:
            await self._served(needed, study_id)
        await asyncio.to_thread(needed.verify)

    async def _served(self, needed: NeededModel, study_id: str) -> None:
        folder = shelf_folder() / f".fetch-{needed.content[:16]}"
        with ExitStack() as stack:
            if needed.here:
                return
            await asyncio.to_thread(stack.enter_context, claimed(folder))
            if needed.here:  # another study's, or another agent's of this machine
                return
            LOG.info("study %s: fetching model %s from the coordinator", study_id, needed.content[:12])
            await self._fetch(needed.content, folder, study_id)
            try:
                model = await asyncio.to_thread(adopt, folder, name=needed.name, source=needed.source)
            except UnfitModel as error:
                LOG.warning("the model that came cannot be used: %s", error)
                raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED) from None
            if model.content != needed.content:
                raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED)

    async def _fetch(self, content: str, folder: Path, study_id: str) -> None:
        listing = await self.line.fetch(content, study=study_id, room=Room(LARGEST_LISTING))
        try:
            files = read_listing(read_canonical(bytes(listing), what="model"))
        except Malformed:
            raise RefusedWith(RefusalCode.ARTIFACT_DAMAGED) from None
        room = Room(min(MOST_BYTES, free_bytes()))
        for name, sha256 in files.items():
            target = folder / name
            if not target.exists():
                download = FileDownload(sha256, folder / f"{name}.part", room)
                self.coming[study_id] = WatchedDownload(download, study_id=study_id, name=name)
                try:
                    await self.line.fetch_file(sha256, self.coming[study_id], study=study_id)
                finally:
                    del self.coming[study_id]
                await asyncio.to_thread(download.finish, target)
