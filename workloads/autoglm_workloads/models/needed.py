"""Which model a study needs, and whether this machine has it. What a study says of its model is a stranger's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_workloads.models.errors import ModelMissing
from autoglm_workloads.models.place import shelf_folder
from autoglm_workloads.models.shelf import CONTENT, find

if TYPE_CHECKING:
    from autoglm_core.study import Study

COORDINATOR = "coordinator"
"""The source of a model that the coordinator serves to the sites of a study."""


@dataclass(frozen=True)
class NeededModel:
    """`name`: a label; `content`: its hash; `source`: `hub:NAME@REVISION`, `site` or `coordinator`."""

    name: str
    content: str
    source: str

    @property
    def here(self) -> bool:
        """Whether it is on this machine's shelf; its files are checked when it is used."""
        return (shelf_folder() / self.content).is_dir()

    @property
    def served(self) -> bool:
        """Whether the coordinator serves it."""
        return self.source == COORDINATOR

    def verify(self) -> None:
        """Hash its files now: a daemon does it in a thread, so that `find` only looks when its loop needs a layout.

        Raises:
            ModelMissing, ModelDamaged: it is not here as it should be.
        """
        find(self.content, source=self.source)

    def require(self, *, program: str = "autoglm-agent") -> None:
        """Raise `ModelMissing`, with the command of `program` to run, unless it is here."""
        if not self.here:
            raise ModelMissing(content=self.content, source=self.source, program=program)


def needed_model(study: Study) -> NeededModel | None:
    """The model from the shelf that `study` names; None where its workload builds models of its own."""
    content, source = study.model_options.get("content"), study.model_options.get("source", "site")
    if not isinstance(content, str) or not CONTENT.fullmatch(content):
        return None
    return NeededModel(study.model, content, str(source))
