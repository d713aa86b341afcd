"""Optimizers by name, over groups of tensors that share a learning rate.

AdamW, SGD and Adafactor are torch's; Lion is not in torch and is ten lines. Their state starts afresh in every round.

Adafactor's steps (Shazeer and Stern 2018) are not scaled by the size of what they change: LoRA's B and a bottleneck's
last matrix start at 0, where a step in proportion to their size would be a thousandth of the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from autoglm_workloads.text.training.job import DepthParameter
    from autoglm_workloads.text.training.options import TextOptions

LION_DECAYS = (0.9, 0.99)
ADAFACTOR_EPS = (1e-15, 1.0)
"""Floor of the root of the second moment, the paper's 1e-30: torch's own, 1e-7, is above the mean squares of a large
model's gradients. And the least size that scales a step, which few tensors exceed."""


class Lion(torch.optim.Optimizer):  # type: ignore[misc]
    """The sign of a blend of momentum and gradient (Chen et al. 2023), with decoupled weight decay."""

    def __init__(self, params: Iterable[dict[str, Any]], *, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One step; `closure` is not used."""
        for group in self.param_groups:
            tensors = [tensor for tensor in group["params"] if tensor.grad is not None]
            if not tensors:
                continue
            gradients = [tensor.grad for tensor in tensors]
            moments = [self._moment(tensor) for tensor in tensors]
            updates = torch._foreach_lerp(moments, gradients, 1.0 - LION_DECAYS[0])
            torch._foreach_sign_(updates)
            torch._foreach_mul_(tensors, 1.0 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(tensors, updates, alpha=-group["lr"])
            torch._foreach_lerp_(moments, gradients, 1.0 - LION_DECAYS[1])

    def _moment(self, tensor: torch.Tensor) -> torch.Tensor:
        state = self.state[tensor]
        if not state:
            state["moment"] = torch.zeros_like(tensor)
        return state["moment"]


class Sgd(torch.optim.SGD):  # type: ignore[misc]
    """SGD with momentum; the weight decay of a group is its `decay`, decoupled from the gradient."""

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One step; `closure` is not used."""
        for group in self.param_groups:
            tensors = [tensor for tensor in group["params"] if tensor.grad is not None]
            if tensors:
                torch._foreach_mul_(tensors, 1.0 - group["lr"] * group["decay"])
        super().step()


def build_optimizer(parameters: Sequence[DepthParameter], options: TextOptions) -> torch.optim.Optimizer:
    """The optimizer of `options`; each of its groups has a `share` of the scheduled learning rate."""
    groups = _groups(parameters, options)
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        decoupled = [{**group, "weight_decay": 0.0, "decay": group["weight_decay"]} for group in groups]
        return Sgd(decoupled, lr=rate, momentum=options.momentum)
    if options.optimizer == "lion":
        return Lion(groups, lr=rate, weight_decay=decay)
    if options.optimizer == "adafactor":
        return torch.optim.Adafactor(groups, lr=rate, weight_decay=decay, eps=ADAFACTOR_EPS)
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def _groups(parameters: Sequence[DepthParameter], options: TextOptions) -> list[dict[str, Any]]:
    """Tensors by share of the learning rate and by whether weight decay touches them."""
    top = max(parameter.depth for parameter in parameters)
    groups: dict[tuple[float, float], list[torch.Tensor]] = {}
    for parameter in parameters:
        share = options.head_rate if parameter.head else options.layer_decay ** (top - parameter.depth)
        matrix = parameter.tensor.dim() > 1 and not parameter.factors
        decay = options.weight_decay if matrix else 0.0
        groups.setdefault((share, decay), []).append(parameter.tensor)
    return [
        {"params": tensors, "share": share, "weight_decay": decay, "lr": options.learning_rate * share}
        for (share, decay), tensors in groups.items()
    ]
