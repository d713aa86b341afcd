"""Images out of a network's update: gradient matching, and the equation of a first dense layer.

Gradient matching (Zhu et al. 2019; here with the cosine distance, total variation and signed steps of Geiping et al.
2020) looks for images whose gradient points where the update points. The dense layer needs no search: a neuron's weight
gradient over its bias gradient is the input itself, if one input alone activates it (Phong et al. 2017, Boenisch et al.
2023). The attacker knows the labels, which its gradients tell anyway (Zhao et al. 2020), and the rows' number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits

from autoglm_compression.models.chain import Chain, Convolution, Dense
from autoglm_compression.models.forward import forward
from autoglm_core.workload import ParameterLayout
from autoglm_workloads.model_side import chain_layout
from autoglm_workloads.seeding import initial_parameters
from autoglm_workloads.training import train_chain
from autoglm_workloads.training_options import TrainingOptions

if TYPE_CHECKING:
    from torch import Tensor

Vector = NDArray[np.float32]
Images = NDArray[np.float32]
SIDE, CLASSES = 8, 10
KNOWN = 900
"""Digits that are public: their mean is the best guess of who knows nothing."""
ONE_STEP = TrainingOptions(learning_rate=0.1, batch_size=1, local_epochs=1, clip_norm=0.0, label_smoothing=0.1)
WARM_UP = TrainingOptions(learning_rate=0.02, label_smoothing=0.1)
STEP, TOTAL_VARIATION = 0.1, 1e-3
DECAYS = (3 / 8, 5 / 8, 7 / 8)
BEST_PSNR = 60.0
"""Above it, two images of 17 grey levels are the same."""


@dataclass(frozen=True)
class Network:
    """What a round trains, and its broadcast weights."""

    chain: Chain
    weights: Vector

    @classmethod
    def convolutional(cls, width: int, seed: bytes) -> Network:
        """The workload's small-cnn, as a study starts with it."""
        layers = (
            Convolution("conv1", 1, width),
            Convolution("conv2", width, 2 * width, pool=2),
            Convolution("conv3", 2 * width, 2 * width, pool=2),
            Dense("head", 2 * width * (SIDE // 4) ** 2, CLASSES),
        )
        return cls._started(Chain((1, SIDE, SIDE), layers), seed)

    @classmethod
    def dense(cls, width: int, seed: bytes) -> Network:
        """One hidden layer."""
        return cls._started(
            Chain((SIDE * SIDE,), (Dense("hidden", SIDE * SIDE, width), Dense("head", width, CLASSES))), seed
        )

    @classmethod
    def _started(cls, chain: Chain, seed: bytes) -> Network:
        return cls(chain, initial_parameters(chain, chain_layout(chain), seed))

    @property
    def layout(self) -> ParameterLayout:
        """Of the weights."""
        return chain_layout(self.chain)

    def trained(self, images: Images, labels: NDArray[np.int64]) -> Network:
        """The same network an epoch later: updates tell most about their rows early, while the network is not sure."""
        inputs = images.reshape(len(images), *self.chain.input_shape)
        weights, _ = train_chain(
            self.chain, self.layout, self.weights, inputs=inputs, labels=labels, options=WARM_UP, seed=bytes(32)
        )
        return Network(self.chain, weights)

    def update(self, image: Images, label: int) -> Vector:
        """What a site changes whose one row is `image`: one step of its own training."""
        inputs, labels = image.reshape(1, *self.chain.input_shape), np.array([label], np.int64)
        trained, _ = train_chain(
            self.chain, self.layout, self.weights, inputs=inputs, labels=labels, options=ONE_STEP, seed=bytes(32)
        )
        return trained - self.weights

    def gradients(self, update: Vector) -> dict[str, Vector]:
        """The gradient of which `update` is one step, by tensor."""
        return self.layout.split((-update / ONE_STEP.learning_rate).astype(np.float32))


def digits() -> tuple[Images, NDArray[np.int64]]:
    """All digits, `(n, 1, 8, 8)` in [0, 1], and their labels."""
    loaded = load_digits()
    return (loaded.images / 16).astype(np.float32)[:, None], loaded.target.astype(np.int64)


def match_gradient(
    network: Network, update: Vector, labels: Sequence[int], *, iterations: int, starts: int, seed: int
) -> Images:
    """Images `(len(labels), 1, 8, 8)` whose gradient has the direction of `update`; of `starts` the closest."""
    target = {name: torch.from_numpy(value) for name, value in network.gradients(update).items()}
    tensors = {name: torch.from_numpy(value).requires_grad_(True) for name, value in _weights(network).items()}
    distance = partial(_distance, network.chain, tensors, target, torch.tensor(labels))
    drawn = torch.Generator().manual_seed(seed)
    shape = (len(labels), *network.chain.input_shape)
    found = [_descend(distance, torch.rand(shape, generator=drawn), iterations) for _ in range(starts)]
    return np.asarray(min(found, key=lambda images: float(distance(images).detach())).numpy(), dtype=np.float32)


def _descend(distance: Callable[[Tensor], Tensor], images: Tensor, iterations: int) -> Tensor:
    images.requires_grad_(True)
    optimizer = torch.optim.Adam([images], lr=STEP)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(iterations * part) for part in DECAYS], 0.1)
    for _ in range(iterations):
        (slope,) = torch.autograd.grad(distance(images) + TOTAL_VARIATION * _variation(images), images)
        images.grad = slope.sign()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            images.clamp_(0, 1)
    return images.detach()


def _weights(network: Network) -> Mapping[str, Vector]:
    return network.layout.split(network.weights.copy())


def _distance(
    chain: Chain, tensors: Mapping[str, Tensor], target: Mapping[str, Tensor], labels: Tensor, images: Tensor
) -> Tensor:
    """One less the cosine between the images' gradient and the target."""
    loss = torch.nn.functional.cross_entropy(
        forward(chain, tensors, images), labels, label_smoothing=ONE_STEP.label_smoothing
    )
    own = dict(zip(tensors, torch.autograd.grad(loss, list(tensors.values()), create_graph=True), strict=True))
    product = sum((own[name] * target[name]).sum() for name in own)
    return 1 - product / (_norm(own) * _norm(target) + 1e-12)


def _norm(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.sqrt(sum((tensor**2).sum() for tensor in tensors.values()))


def _variation(images: Tensor) -> Tensor:
    across = (images[..., 1:] - images[..., :-1]).abs().mean()
    return across + (images[..., 1:, :] - images[..., :-1, :]).abs().mean()


def solve_dense(network: Network, update: Vector) -> Images:
    """One candidate `(neurons, 1, 8, 8)` from each hidden neuron that anything activated."""
    gradients = network.gradients(update)
    weight, bias = gradients["hidden.weight"].astype(np.float64), gradients["hidden.bias"].astype(np.float64)
    active = np.abs(bias) > np.finfo(np.float32).eps * np.abs(bias).max()
    candidates = (weight[active] / bias[active, None]).clip(0, 1)
    return np.asarray(candidates.reshape(-1, 1, SIDE, SIDE), dtype=np.float32)


def psnr(found: Images, truth: Images) -> float:
    """Mean peak signal-to-noise ratio (dB, at most `BEST_PSNR`) of each true image and the one assigned to it."""
    pairs = -10 * np.log10(np.maximum(((found[:, None] - truth[None]) ** 2).mean((2, 3, 4)), 10 ** (-BEST_PSNR / 10)))
    if not len(pairs):
        return 0.0
    rows, columns = linear_sum_assignment(pairs, maximize=True)
    return float(pairs[rows, columns].sum() / len(truth))


def mean_image(images: Images) -> Images:
    """The best guess without any information, `(1, 1, 8, 8)`."""
    return np.asarray(images[:KNOWN].mean(0, keepdims=True))
