"""Whether a text training fits into a site's memory, asked before its network is loaded. No torch at module load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_workloads.models.memory import (
    FLOAT,
    TooLittleMemory,
    allowed_memory,
    device_memory,
    estimate,
    require_memory,
)
from autoglm_workloads.text.layout import text_layout, text_skeleton
from autoglm_workloads.text.model_options import model_options, text_model
from autoglm_workloads.text.networks import KEPT, forget_networks, heads_of
from autoglm_workloads.text.training.options import TextOptions
from autoglm_workloads.text.tuning_options import Method

if TYPE_CHECKING:
    from autoglm_core.configuration import Values
    from autoglm_core.study import Study
    from autoglm_workloads.text.tasks.api import TextTask


def training_bytes(task: TextTask, study: Study, tune: Values, *, longest: int | None = None) -> int:
    """What a training under `tune` takes; `longest`: tokens of its longest row, None for as many as a text may have."""
    options = TextOptions().updated(tune)
    length = model_options(study).max_length if longest is None else longest
    return _needed(task, study, tune, batch=options.batch_size, length=length)


def require_room_to_train(task: TextTask, study: Study, tune: Values, *, longest: int) -> None:
    """Raise `TooLittleMemory` where a training on texts of at most `longest` tokens would not fit."""
    _require(training_bytes(task, study, tune, longest=longest), kept=_kept_bytes(task, study, tune))


def require_room_to_load(task: TextTask, study: Study, tune: Values) -> None:
    """Raise `TooLittleMemory` where the model with its vector would not fit; what batches take is not counted."""
    _require(_needed(task, study, tune, batch=0, length=0), kept=_kept_bytes(task, study, tune))


def _needed(task: TextTask, study: Study, tune: Values, *, batch: int, length: int) -> int:
    description, method, heads = text_model(study).description, Method().updated(tune), heads_of(task, study, tune)
    return estimate(
        description,
        trainable=text_layout(description, method, heads).size,
        batch=batch,
        length=length,
        method=method.method,
        language=any(head.kind == "language" for head in heads.values()),
        checkpointing=TextOptions().updated(tune).checkpointing,
    )


def _kept_bytes(task: TextTask, study: Study, tune: Values) -> int:
    """What networks of this model that the process may have kept take."""
    skeleton = text_skeleton(text_model(study).description, heads_of(task, study, tune))
    return KEPT * FLOAT * skeleton.parameters


def _require(needed: int, *, kept: int) -> None:
    """Ask for room for `needed` beside the networks that are `kept`; where there is none, without them."""
    require_memory(needed, allowed_memory())  # before the device is asked, which takes a framework
    try:
        require_memory(needed + kept, allowed_memory(), device=_free_on_device())
    except TooLittleMemory:
        forget_networks()
        require_memory(needed, allowed_memory(), device=_free_on_device())


def _free_on_device() -> int | None:
    """Bytes that the accelerator that trains may still give; None where the process's own memory is used."""
    from torch import cuda

    if not cuda.is_available():
        return None
    free, _ = cuda.mem_get_info()
    return device_memory(free, reserved=cuda.memory_reserved(), allocated=cuda.memory_allocated())
