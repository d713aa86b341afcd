"""Curvature of the loss, opt-in because each measurement costs several backward passes.

`trace`: Hutchinson's (1990) estimate of the Hessian's trace over the trained tensors, v'Hv with v of random signs, by
double backward. It needs attention with a second derivative, which torch's fused kernels do not have.

`along`: the curvature along the step that was just made, from the difference of two gradients. Its figure is
d'Hd / -g'd for a step d and gradient g; for plain gradient descent that is the learning rate times the curvature along
the gradient, and for any optimizer a figure above 2 says that the step went so far that the loss rose again (in the
quadratic model of the loss).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

PROBES = 4
"""Random sign vectors of one estimate of the trace."""


def trace(loss: Callable[[], Tensor], tensors: Sequence[Tensor], draws: torch.Generator) -> float:
    """The Hessian's trace of `loss()`, estimated with 4 probes from `draws`, a generator of the CPU."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        gradients = _gradients(loss(), tensors, differentiable=True)
        total = 0.0
        for probe in range(PROBES):
            signs = [torch.randint(2, tensor.shape, generator=draws).to(tensor) * 2 - 1 for tensor in tensors]
            product = sum((gradient * sign).sum() for gradient, sign in zip(gradients, signs, strict=True))
            if not product.requires_grad:  # nothing in the batch counts, or the loss is linear
                return 0.0
            seconds = _gradients(product, tensors, again=probe < PROBES - 1)
            total += float(_dot(signs, seconds))
    return total / PROBES


def along(loss: Callable[[], Tensor], tensors: Sequence[Tensor], before: Sequence[Tensor]) -> float | None:
    """Curvature along the step from `before` to the present values; None for a step that does not go downhill.

    `loss()` must draw the same dropout each time. The tensors' values are as they were afterwards.
    """
    steps = [tensor.detach() - start for tensor, start in zip(tensors, before, strict=True)]
    after = _gradients(loss(), tensors)
    now = [tensor.detach().clone() for tensor in tensors]
    _set(tensors, before)
    first = _gradients(loss(), tensors)
    _set(tensors, now)
    descent = -float(_dot(first, steps))
    return (float(_dot(after, steps)) + descent) / descent if descent > 0 else None


@torch.no_grad()  # type: ignore[untyped-decorator]
def _set(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    torch._foreach_copy_(tensors, values)


def _gradients(
    loss: Tensor, tensors: Sequence[Tensor], *, differentiable: bool = False, again: bool = False
) -> list[Tensor]:
    """Of `loss`; `again`: its graph is needed once more."""
    found = torch.autograd.grad(
        loss, tensors, create_graph=differentiable, retain_graph=differentiable or again, allow_unused=True
    )
    return [torch.zeros_like(tensor) if part is None else part for part, tensor in zip(found, tensors, strict=True)]


def _dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    return torch.stack([(one * other).sum().double() for one, other in zip(left, right, strict=True)]).sum()
