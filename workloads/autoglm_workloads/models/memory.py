"""How much memory a training takes, from a model's description alone: asked before anything is loaded.

Counted in float32, as training on a processor keeps it: the weights once, for each trained number its gradient, the
optimizer's two moments and the copies in which it travels, and for each token what a backward pass needs of every
block. Rounded upwards: a site that refuses says so before a round, one that runs out of memory spoils it.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from autoglm_core.errors import AutoglmError, Kind

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Description, Skeleton

FLOAT = 4
PROCESS = 600 * 10**6
"""Bytes of an interpreter with torch and transformers before it loads a model."""
COPIES = 6
"""Of each trained number: gradient, two moments of AdamW, the vector that came, the one that goes, their difference."""
STATES = 26
"""Vectors of the hidden size that a block keeps for each token beside what its linear maps take and give (residuals,
normalisation, activation, dropout masks), and what the allocator cannot give back between them: fitted to MiniLM and
GLM-4 in torch 2.13, and rounded up."""
SCORES = 2
"""Copies of a block's attention scores."""
ADAPTED = 2
"""Further copies of a map's outcome where an adapter adds to it."""
FORWARD_BLOCKS = 2
"""Blocks in memory where none is kept: the one that is computed, and what it is computed from."""
RECOMPUTED_BLOCKS = 3
"""Blocks in memory where each is computed again for its backward pass: those two, and its gradients."""
FORWARD_ONLY = frozenset({"head"})
"""Methods that send no gradient into the blocks."""
UNADAPTED = FORWARD_ONLY | {"full", "prompt", "prefix"}
"""Methods that add nothing to the outcome of a map."""
JOINED = 4
"""Vectors of the hidden size for each key that attention sees behind a learned prefix: the key and the value, joined,
and both once more where dropout keeps attention from its fused kernel."""


class TooLittleMemory(AutoglmError):
    """A training would not fit. Both figures in 1e9 bytes; `place`: whose memory, `site` or `device`."""

    code = "memory"
    kind = Kind.EXHAUSTED

    def __init__(self, *, needed_gb: float, allowed_gb: float, place: str = "site") -> None:
        super().__init__(
            f"the model needs about {needed_gb:.2f} GB in this configuration and "
            f"{_ALLOWS[place].format(allowed_gb)}, or choose a smaller model, batch_size or max_length",
            needed_gb=needed_gb,
            allowed_gb=allowed_gb,
            place=place,
        )


_ALLOWS = {
    "site": "[limits] memory_gb allows {:.2f}: raise it",
    "device": "the device has {:.2f} free: end what else runs on it",
}


def estimate(
    description: Description,
    *,
    trainable: int,
    batch: int,
    length: int,
    method: str,
    language: bool = False,
    checkpointing: bool = False,
    learned: int = 0,
    copies: int = COPIES,
    second_graph: bool = False,
) -> int:
    """Bytes that one training takes in its process.

    Args:
        description: of the model.
        trainable: numbers that are trained.
        batch: rows of a batch.
        length: tokens of its longest row.
        method: `full`, `head`, or any other that trains a part of the blocks.
        language: whether the language head is used: logits of the whole vocabulary for each token.
        checkpointing: whether blocks keep their inputs alone and are computed again for the backward pass.
        learned: vectors that `prompt` puts before the text, or keys that `prefix` puts before its keys.
        copies: of each trained number.
        second_graph: whether the backward pass is differentiated in its turn: recomputed blocks are then kept, too.
    """
    skeleton = (description.language if language else None) or description.backbone
    length, before = (length + learned, 0) if method == "prompt" else (length, learned)
    tokens = batch * length
    kept = description.layers * (2 if second_graph else 1)
    if method in FORWARD_ONLY:
        kept = FORWARD_BLOCKS
    elif checkpointing and not second_graph:
        kept = RECOMPUTED_BLOCKS
    inputs = tokens * description.layers * description.hidden_size if checkpointing else 0
    outcomes = 1 if method in UNADAPTED else 1 + ADAPTED
    block = _block(description, skeleton, length=length, outcomes=outcomes) + _prefix(description, length, before)
    logits = 4 * tokens * description.vocabulary if language else 0
    numbers = skeleton.parameters + copies * trainable + batch * kept * block + inputs + logits
    return PROCESS + int(FLOAT * numbers)


def _block(description: Description, skeleton: Skeleton, *, length: int, outcomes: int) -> float:
    """Numbers that one block keeps of a text for the backward pass; `outcomes`: copies of what each map gives."""
    inside = {*skeleton.attention, *skeleton.feed_forward}
    maps = [entry for entry in skeleton.linears if entry.name in inside]
    widths = sum(entry.inputs + outcomes * entry.outputs for entry in maps) / description.layers
    return length * (widths + STATES * description.hidden_size) + SCORES * description.heads * length * length


def _prefix(description: Description, length: int, before: int) -> float:
    """What it keeps more where `before` learned keys stand before those of the text."""
    joined = JOINED * description.hidden_size * (length + before) if before else 0
    return joined + SCORES * description.heads * length * before


def allowed_memory() -> int | None:
    """Bytes that this process may take: the cap that a site's `[limits] memory_gb` puts on its child; None for none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft == resource.RLIM_INFINITY else soft


def device_memory(free: int, *, reserved: int, allocated: int) -> int:
    """Bytes that a training may take of a device's memory.

    Args:
        free: what nobody holds there.
        reserved: what this process's allocator holds.
        allocated: of that, what its tensors take.
    """
    return free + reserved - allocated


def require_memory(needed: int, allowed: int | None, *, device: int | None = None) -> None:
    """Raise `TooLittleMemory` where a training of `needed` bytes does not fit; None allows anything.

    Args:
        needed: as `estimate` has it.
        allowed: bytes that the process may take.
        device: bytes that the device may give where the training is not in the process's own memory; the interpreter
            and its libraries stay in the process.
    """
    if allowed is not None and needed > allowed:
        raise TooLittleMemory(needed_gb=needed / 1e9, allowed_gb=allowed / 1e9)
    if device is not None and needed - PROCESS > device:
        raise TooLittleMemory(needed_gb=(needed - PROCESS) / 1e9, allowed_gb=device / 1e9, place="device")
