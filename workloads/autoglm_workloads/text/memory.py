"""Whether a text training fits into a site's memory, asked before its network is loaded. No torch at module load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_workloads.models.memory import (
    COPIES,
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


MEASURED = 4
"""Further copies of each trained number while gradients are measured: their sum over a window, that of a batch alone,
and those of the step before and after it."""
CURVED = 4
"""And where the curvature is, too: by `differences` the weights before and after a step, the step, and two gradients;
by `hutchinson` a gradient with its graph, signs and second derivatives. One takes the place of the step's gradient."""
PULLED = 2
"""And with `proximal_mu`: what weights are pulled to, and the pull."""


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
    options = TextOptions().updated(tune)
    return estimate(
        description,
        trainable=text_layout(description, method, heads).size,
        batch=batch,
        length=length,
        method=method.method,
        language=any(head.kind == "language" for head in heads.values()),
        checkpointing=options.checkpointing,
        learned=method.prompt_length if method.method in ("prompt", "prefix") else 0,
        copies=COPIES + _kept_copies(options),
        second_graph=options.curvature == "hutchinson",
    )


def _kept_copies(options: TextOptions) -> int:
    """Of each trained number, beside those of every training."""
    measured = MEASURED if options.controller != "off" or options.curvature != "off" else 0
    curved = CURVED if options.curvature != "off" else 0
    return measured + curved + (PULLED if options.proximal_mu else 0)


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
