"""Local training of a chain: minibatch gradient descent on one flat vector.

The tensors are views into one buffer and their gradients into another, so that an optimizer's step, clipping and the
proximal term are a handful of vector operations whatever the network looks like; torch.optim loops over the tensors and
took 10 to 15 % longer on networks this small (measured). One thread and a seeded permutation: the same arguments give
the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Chain
from autoglm_compression.models.forward import forward
from autoglm_core.workload import ParameterLayout, Vector
from autoglm_workloads.errors import DivergedTraining
from autoglm_workloads.seeding import generator
from autoglm_workloads.training_options import TrainingOptions

if TYPE_CHECKING:
    from torch import Tensor

ADAM_EPSILON = 1e-8
ADAM_DECAYS = (0.9, 0.99)


@contextmanager
def single_thread() -> Iterator[None]:
    """Torch on one thread: sums in another order would give other bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class FlatNetwork:
    """A chain whose tensors share one flat buffer `values` `(size,)` and one flat gradient `gradient` `(size,)`."""

    def __init__(self, chain: Chain, layout: ParameterLayout, parameters: Vector) -> None:
        import torch

        self._chain = chain
        self.values = torch.from_numpy(parameters.copy())
        self.gradient = torch.zeros_like(self.values)
        self._tensors: dict[str, Tensor] = {}
        start = 0
        for spec in layout.tensors:
            part = slice(start, start + spec.size)
            tensor = self.values[part].view(spec.shape).detach().requires_grad_(True)
            tensor.grad = self.gradient[part].view(spec.shape)
            self._tensors[spec.name] = tensor
            start += spec.size

    def backward(self, inputs: Tensor, labels: Tensor, *, smoothing: float) -> float:
        """Set `gradient` to that of the mean cross-entropy of a batch; returns the loss."""
        from torch.nn import functional

        self.gradient.zero_()
        logits = forward(self._chain, self._tensors, inputs)
        loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        loss.backward()
        return float(loss.detach())


class Optimizer:
    """SGD with momentum, or Adam, on a flat vector. State lives as long as the object: one round."""

    def __init__(self, options: TrainingOptions, start: Tensor) -> None:
        import torch

        self._options = options
        self._start = start.clone()
        self._first = torch.zeros_like(start)
        self._second = torch.zeros_like(start)
        self._steps = 0

    def step(self, values: Tensor, gradient: Tensor) -> None:
        """Change `values` in place; `gradient` is clipped and then includes the proximal term."""
        options = self._options
        norm = float(gradient.norm())
        if options.clip_norm and norm > options.clip_norm:
            gradient.mul_(options.clip_norm / norm)
        if options.proximal_mu:
            gradient.add_(values - self._start, alpha=options.proximal_mu)
        if options.weight_decay:
            values.mul_(1.0 - options.learning_rate * options.weight_decay)
        if options.optimizer == "adam":
            self._adam(values, gradient)
            return
        self._first.mul_(options.momentum).add_(gradient)
        values.add_(self._first, alpha=-options.learning_rate)

    def _adam(self, values: Tensor, gradient: Tensor) -> None:
        self._steps += 1
        first, second = ADAM_DECAYS
        self._first.mul_(first).add_(gradient, alpha=1 - first)
        self._second.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (self._second / (1 - second**self._steps)).sqrt_().add_(ADAM_EPSILON)
        values.addcdiv_(self._first, root, value=-self._options.learning_rate / (1 - first**self._steps))


def train_chain(
    chain: Chain,
    layout: ParameterLayout,
    parameters: Vector,
    *,
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    options: TrainingOptions,
    seed: bytes,
) -> tuple[Vector, float]:
    """Train from `parameters` `(size,)` on normalised `inputs` `(rows, *input_shape)`.

    Returns the new parameters and the loss summed over the rows of the last epoch.

    Raises:
        DivergedTraining: the parameters are no longer finite.
    """
    import torch

    permutations = generator(seed, "batches")
    with single_thread():
        network = FlatNetwork(chain, layout, parameters)
        optimizer = Optimizer(options, network.values)
        x, y = torch.from_numpy(inputs), torch.from_numpy(labels)
        total = 0.0
        for epoch in range(options.local_epochs):
            total = 0.0
            order = torch.from_numpy(permutations.permutation(labels.size))
            for rows in order.split(options.batch_size):
                loss = network.backward(x[rows], y[rows], smoothing=options.label_smoothing)
                optimizer.step(network.values, network.gradient)
                total += loss * rows.numel()
            if not np.isfinite(total) or not bool(torch.isfinite(network.values).all()):
                raise DivergedTraining(epoch=epoch + 1)
    return network.values.numpy(), total
