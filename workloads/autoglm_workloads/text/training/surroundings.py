"""What surrounds a training: dropout's seed, training mode, recomputation of activations, memory that runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from autoglm_workloads.child.memory import ran_out_of_memory
from autoglm_workloads.errors import NoCheckpointing, TrainingOutOfMemory
from autoglm_workloads.seeding import generator

if TYPE_CHECKING:
    from torch.nn import Module

    from autoglm_workloads.text.training.options import TextOptions


@contextmanager
def seeded(seed: bytes, device: torch.device) -> Iterator[None]:
    """Torch's generators from `seed`, and as they were afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(generator(seed, "dropout").integers(2**63)))
        yield


@contextmanager
def training_mode(module: Module, *, checkpointing: bool) -> Iterator[None]:
    """`module` with dropout on, and recomputing its activations if asked; evaluating afterwards.

    Raises:
        NoCheckpointing: no part of `module` can recompute its activations.
    """
    parts = [part for part in module.modules() if getattr(part, "supports_gradient_checkpointing", False)]
    if checkpointing and not parts:
        raise NoCheckpointing
    module.train()
    if checkpointing:  # not the reentrant kind: it needs inputs with gradients, which frozen embeddings do not give
        parts[0].activation_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        module.eval()
        if checkpointing:
            parts[0].activation_checkpointing_disable()


@contextmanager
def typed_out_of_memory(options: TextOptions, device: torch.device) -> Iterator[None]:
    """Memory that runs out becomes an error that says what to change.

    Raises:
        TrainingOutOfMemory: it did.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise TrainingOutOfMemory(
            device=device.type, batch_size=options.batch_size, checkpointing=options.checkpointing
        ) from error
