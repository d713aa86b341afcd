"""What tasks have in common that read one file of texts and train one head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm_core.configuration import Values
from autoglm_core.study_error import StudyError
from autoglm_core.text_schema import TextSchema
from autoglm_workloads.text.data.reading import read_texts
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.tasks.api import HEAD, Prepared

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.models.description import Description
    from autoglm_workloads.text.data.rows import TextRows
    from autoglm_workloads.text.tokens import Tokens


@dataclass(frozen=True)
class SingleTask(ABC):
    """`head_name`: of the head; where several tasks share a model, the task's own name."""

    head_name: str = HEAD

    @abstractmethod
    def head(self, study: Study, tune: Values, description: Description) -> HeadSpec:
        """The head that is trained."""

    @abstractmethod
    def prepare(self, rows: TextRows, tokens: Tokens, study: Study) -> Prepared:
        """Tokenize a site's rows."""

    def heads(self, study: Study, tune: Values, description: Description) -> Mapping[str, HeadSpec]:
        """The one head."""
        return {self.head_name: self.head(study, tune, description)}

    def load(self, path: Path, tokens: Tokens, study: Study) -> Prepared:
        """The site's texts: read, cleaned, split and tokenized."""
        if not isinstance(study.schema, TextSchema):
            raise StudyError(("schema",), "must be of the form text")
        rows = read_texts(path, study.schema, study.split)
        return replace(self.prepare(rows, tokens, study), said=tuple(rows.report()))
