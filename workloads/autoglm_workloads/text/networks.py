"""The network of a study and a `tune`, built once per process: what a site trains and the coordinator exports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from autoglm_core.configuration import Values
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.model_options import text_model
from autoglm_workloads.text.tasks.api import TextTask
from autoglm_workloads.text.training.options import TextOptions
from autoglm_workloads.text.tuning_options import Method

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_workloads.models.shelf import ShelvedModel
    from autoglm_workloads.text.network import Network

KEPT = 2
"""Networks that a process keeps: the one in use, and the one that the next trial shares with the one before."""


def heads_of(task: TextTask, study: Study, tune: Values) -> Mapping[str, HeadSpec]:
    """The heads that `tune` trains, by name."""
    return task.heads(study, tune, text_model(study).description)


def study_seed(study: Study) -> bytes:
    """32 bytes that the coordinator and all sites share; frozen adapters are drawn from it."""
    return hashlib.sha256(f"autoglm/v1/frozen/{study.seed}".encode()).digest()


def network_of(task: TextTask, study: Study, tune: Values) -> Network:
    """The network; load a vector into it before anything else.

    Raises:
        StudyError: `tune` does not fit the model.
        ModelMissing, ModelDamaged: the model is not here, or not whole.
    """
    heads = tuple(sorted(heads_of(task, study, tune).items()))
    options = TextOptions().updated(tune)
    return _built(text_model(study), Method().updated(tune), heads, study_seed(study), options.dropout)


def forget_networks() -> None:
    """Let go of all that are kept, for a training that needs their room."""
    _built.cache_clear()


@lru_cache(maxsize=KEPT)
def _built(
    model: ShelvedModel, method: Method, heads: tuple[tuple[str, HeadSpec], ...], seed: bytes, dropout: float
) -> Network:
    import torch

    from autoglm_workloads.text.network import build

    network = build(model, method, dict(heads), study_seed=seed, dropout=dropout)
    return network.to("cuda") if torch.cuda.is_available() else network
