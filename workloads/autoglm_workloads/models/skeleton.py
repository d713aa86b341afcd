"""Read a module tree into a `Skeleton`. Imports torch.

Nothing is looked up in a table of architectures: blocks are the first list of modules that holds linear maps, and a
linear map of a block belongs to its attention if a module on its way is called so. That covers GLM, Llama, Qwen, GPT-2,
BERT and their relatives; models that transformers gets later need no line here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autoglm_workloads.models.description import Linear, Skeleton, Tensor
from autoglm_workloads.models.errors import BadModelConfig

if TYPE_CHECKING:
    from torch import nn

_ATTENTION = re.compile(r"(^|[._])(self_?)?att(ention|n)([._]|$)")


def skeleton_of(module: nn.Module) -> Skeleton:
    """Its parameters, linear maps and depths."""
    place, _ = blocks_of(module)
    linears = tuple(_linears(module))
    inside = [entry.name for entry in linears if entry.name.startswith(place)]
    attention = tuple(name for name in inside if _ATTENTION.search(name.removeprefix(place)))
    tensors = tuple(Tensor(name, tuple(value.shape)) for name, value in module.named_parameters())
    return Skeleton(
        tensors=tensors,
        linears=linears,
        attention=attention,
        feed_forward=tuple(name for name in inside if name not in attention),
        depth=_depths([tensor.name for tensor in tensors], place),
    )


def blocks_of(module: nn.Module) -> tuple[str, nn.ModuleList]:
    """The outermost list of blocks, and what its tensors' names begin with. Raises `BadModelConfig`."""
    from torch import nn

    for name, found in module.named_modules():
        if isinstance(found, nn.ModuleList) and any(_linears(found)):
            return f"{name}.", found
    raise BadModelConfig(reason="its model has no list of blocks with linear maps")


def _linears(module: nn.Module) -> list[Linear]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    found = []
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear):
            found.append(Linear(name, part.in_features, part.out_features))
        elif isinstance(part, Conv1D):
            found.append(Linear(name, part.nx, part.nf, transposed=True))
    return found


def _depths(names: list[str], place: str) -> dict[str, int]:
    """0 until the blocks begin, then the block's number from 1, one more for what comes after them."""
    depths, deepest, begun = {}, 0, False
    for name in names:
        if name.startswith(place):
            begun = True
            depths[name] = 1 + int(name.removeprefix(place).partition(".")[0])
            deepest = max(deepest, depths[name])
        else:
            depths[name] = deepest + 1 if begun else 0
    return depths
