"""What optimizers do to the tensors that tuning methods add, which start at 0 or at 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autoglm_core.workload import LocalRound
from autoglm_workloads.text.initial import initial
from autoglm_workloads.text.methods import Method
from autoglm_workloads.text.network import Network
from autoglm_workloads.text.training.job import DepthParameter, Fit, Loss
from autoglm_workloads.text.training.loop import fit
from autoglm_workloads.text.training.losses import classification_loss
from autoglm_workloads.text.training.optimizers import build_optimizer
from autoglm_workloads.text.training.options import TextOptions
from support.text_networks import IDS, POOLED, SEED, network_of
from support.tiny_architectures import TinyModels

ROUND = b"r" * 32
LABELS = torch.tensor([0, 1, 2, 1])
OPTIMIZERS = ("adamw", "sgd", "lion", "adafactor")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("shelf"))


def trained(models: TinyModels, method: Method, *, still: bool = False, **options: Any) -> tuple[Network, float]:
    """A tiny BERT after 30 steps on four texts from its first weights, and its last loss; `still`: of no gradient."""
    chosen = TextOptions(batch_size=4, schedule="constant", local_epochs=30).updated(options)
    network = network_of(models, "bert", method, dropout=0.0)
    network.load(initial(models["bert"], method, POOLED, study_seed=SEED, seed=b"i" * 32))

    def objective(rows: NDArray[np.int64]) -> Loss:
        loss = classification_loss(network(IDS[rows], "topic"), LABELS[rows], chosen)
        return Loss(loss.mean * 0.0, loss.units, loss.total) if still else loss

    parameters, lengths = network.depth_parameters(), np.full(4, IDS.shape[1])
    at = LocalRound(1, ROUND)
    fitted = fit(Fit(network, parameters, lengths, lambda rows: rows, objective, chosen, at, rounds=1))
    return network, fitted.loss_sum / fitted.units


def lora_norm(network: Network) -> float:
    updates = [network.parameter(item.name).detach() for item in network.layout.tensors if "lora_b" in item.name]
    return float(torch.cat([update.ravel() for update in updates]).norm())


def test_adafactor_teaches_a_low_rank_update_that_starts_at_zero(models: TinyModels) -> None:
    method = Method("lora", lora_rank=4)
    options: dict[str, Any] = {"learning_rate": 0.02, "head_rate": 0.0}
    plain, after = trained(models, method, optimizer="adamw", **options)
    factored, loss = trained(models, method, optimizer="adafactor", **options)
    _, before = trained(models, method, optimizer="sgd", learning_rate=0.0)
    assert lora_norm(factored) == pytest.approx(lora_norm(plain), rel=0.5)
    assert before - loss > 0.5 * (before - after)


@pytest.mark.parametrize("size", [1e-5, 0.1])
def test_adafactors_steps_are_those_of_transformers_without_scaling(size: float) -> None:
    from transformers.optimization import Adafactor

    draws = torch.Generator().manual_seed(1)
    starts = [torch.zeros(6, 4), torch.randn(5, 3, generator=draws) * 0.05, torch.zeros(7)]
    ours, theirs = ([torch.nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    options = TextOptions(optimizer="adafactor", learning_rate=0.01)
    parameters = [DepthParameter(str(number), tensor, 1) for number, tensor in enumerate(ours)]
    reference = Adafactor(theirs, lr=0.01, scale_parameter=False, relative_step=False)
    optimizer = build_optimizer(parameters, options)
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=draws) * size
            other.grad = one.grad.clone()
        optimizer.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_pulls_matrices_to_zero_and_leaves_factors_at_one(models: TinyModels, optimizer: str) -> None:
    options: dict[str, Any] = {"optimizer": optimizer, "learning_rate": 0.1, "weight_decay": 0.5, "still": True}
    network, _ = trained(models, Method("ia3"), **options)
    for tensor in network.layout.tensors:
        if tensor.name.endswith(".ia3"):
            torch.testing.assert_close(network.parameter(tensor.name).detach(), torch.ones(tensor.shape))
    before = network_of(models, "bert", Method("ia3"))
    before.load(initial(models["bert"], Method("ia3"), POOLED, study_seed=SEED, seed=b"i" * 32))
    shares = [float(each.parameter("head.topic.weight").detach().norm()) for each in (network, before)]
    assert shares[0] == pytest.approx(0.95**30 * shares[1], rel=0.02)


def test_the_matrix_of_a_rank_of_one_is_a_matrix(models: TinyModels) -> None:
    network = network_of(models, "bert", Method("lora", lora_rank=1))
    for parameter in network.depth_parameters():
        torch.nn.init.ones_(parameter.tensor)
    optimizer = build_optimizer(network.depth_parameters(), TextOptions(learning_rate=0.1, weight_decay=0.5))
    for parameter in network.depth_parameters():
        parameter.tensor.grad = torch.zeros_like(parameter.tensor)
    optimizer.step()
    values = {item.name: float(item.tensor.detach().mean()) for item in network.depth_parameters()}
    assert values.pop("head.topic.bias") == 1.0
    assert list(values.values()) == pytest.approx([0.95] * len(values))
