"""Which model a text study tunes: `model: {name: a label, options: {content, source, max_length, pooling}}`. No torch.

The content hash says which bytes; it is part of the study's hash, so every administrator approves them. The label and
`source` are for people and for fetching.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_core.study_error import Place, StudyError, nearest
from autoglm_workloads.text.heads import POOLINGS

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.models.shelf import ShelvedModel

KEYS = ("content", "source", "max_length", "pooling")
CONTENT = re.compile(r"[0-9a-f]{64}")
SOURCE = re.compile(r"site|coordinator|hub:[A-Za-z0-9][A-Za-z0-9._/-]{0,127}@[0-9a-f]{40}")
DEFAULT_LENGTH = 128
MOST_TOKENS = 2**20


@dataclass(frozen=True)
class ModelOptions:
    """`content`: hash of the model's files. `source`: where sites get it that do not have it.

    `max_length`: tokens of an input, what is longer is cut. `pooling`: which state stands for a text, None for the one
    that suits the model: the mean of an encoder's, the last of a decoder's.
    """

    content: str
    source: str = "site"
    max_length: int = DEFAULT_LENGTH
    pooling: str | None = None


def model_options(study: Study) -> ModelOptions:
    """The options of `study`.

    Raises:
        StudyError: one is missing, unknown or out of its range.
    """
    options = study.model_options
    for key in options:
        if key not in KEYS:
            reason = f"{key!r} is no option of a text model; there are {', '.join(KEYS)}"
            raise StudyError(("model", "options", key), reason, nearest=nearest(key, KEYS))
    content = options.get("content")
    if not isinstance(content, str) or not CONTENT.fullmatch(content):
        reason = (
            "must be the 64 hexadecimal digits that `autoglm-agent models list` shows: they say which bytes are tuned"
        )
        raise StudyError(_at("content"), reason)
    source = options.get("source", ModelOptions.source)
    if not isinstance(source, str) or not SOURCE.fullmatch(source):
        raise StudyError(_at("source"), "must be site, coordinator or hub:NAME@ with the 40 digits of a commit")
    length = options.get("max_length", DEFAULT_LENGTH)
    if not isinstance(length, int) or isinstance(length, bool) or not 2 <= length <= MOST_TOKENS:
        raise StudyError(_at("max_length"), f"must be a whole number from 2 to {MOST_TOKENS}")
    pooling = options.get("pooling")
    if pooling is not None and pooling not in POOLINGS:
        raise StudyError(_at("pooling"), f"must be one of {', '.join(POOLINGS)}")
    return ModelOptions(content, source, length, pooling)


def text_model(study: Study) -> ShelvedModel:
    """The model of `study` from this machine's shelf.

    Raises:
        StudyError: the study's options name no model.
        ModelMissing, ModelDamaged: it is not on the shelf, or not whole.
    """
    from autoglm_workloads.models.shelf import find

    options = model_options(study)
    return find(options.content, source=options.source)


def _at(key: str) -> Place:
    return ("model", "options", key)
