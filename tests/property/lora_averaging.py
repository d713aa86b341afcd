"""What averaging LoRA over sites averages: with a frozen A the updates themselves, otherwise something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autoglm_core.workload import Vector
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.methods import Method
from autoglm_workloads.text.network import Network, build
from support.tiny_architectures import TinyModels

FROZEN = Method("lora", lora_rank=2)
HEADS = {"topic": HeadSpec("pooled", 2)}
Weights = dict[str, NDArray[np.float64]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("shelf"))


def network_of(models: TinyModels, method: Method = FROZEN, *, study_seed: bytes = b"s" * 32) -> Network:
    return build(models["bert"], method, HEADS, study_seed=study_seed, dropout=0.0)


def weights_of(network: Network, vector: Vector) -> Weights:
    """The weights of the model that `vector` makes, LoRA multiplied in."""
    network.load(vector)
    with torch.no_grad():
        return {name: value.double().numpy() for name, value in network.merged("topic").named_parameters()}


def distance(one: Weights, other: Weights) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def both_means(network: Network, sites: list[Vector], shares: NDArray[np.float64]) -> tuple[Weights, Weights]:
    """Weights of the averaged vector, and the average of the sites' weights."""
    mean = sum(share * site.astype(np.float64) for share, site in zip(shares, sites, strict=True))
    each = [weights_of(network, site) for site in sites]
    averaged = {name: sum(share * one[name] for share, one in zip(shares, each, strict=True)) for name in each[0]}
    return weights_of(network, np.asarray(mean, np.float32)), averaged


def drawn_sites(network: Network, seed: int, count: int) -> tuple[list[Vector], NDArray[np.float64]]:
    stream = np.random.default_rng(seed)
    sites = [stream.normal(0, 0.5, network.layout.size).astype(np.float32) for _ in range(count)]
    return sites, stream.dirichlet(np.ones(count))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 5))
@pytest.mark.parametrize("variant", ["plain", "rslora"])
def test_average_of_ffa_vectors_is_the_average_of_the_sites_models(
    models: TinyModels, variant: str, seed: int, count: int
) -> None:
    network = network_of(models, replace(FROZEN, lora_variant=variant))
    ours, exact = both_means(network, *drawn_sites(network, seed, count))
    assert distance(ours, exact) < 1e-5


def test_average_of_a_and_b_is_not_the_average_of_the_sites_models(models: TinyModels) -> None:
    """Two sites, of which one turned A and B around: both have the same update, and the average has none."""
    network = network_of(models, replace(FROZEN, lora_averaging="plain"))
    one = np.random.default_rng(1).normal(0, 0.5, network.layout.size).astype(np.float32)
    tensors = network.layout.split(one)
    other = network.layout.join({name: -value if ".lora_" in name else value for name, value in tensors.items()})
    assert distance(weights_of(network, one), weights_of(network, other)) < 1e-6

    ours, exact = both_means(network, [one, other], np.array([0.5, 0.5]))
    pretrained = weights_of(network, network.layout.join({n: np.zeros_like(v) for n, v in tensors.items()}))
    name = "body.encoder.layer.0.attention.self.query.weight"
    assert np.array_equal(ours[name], pretrained[name])
    assert np.abs(exact[name] - pretrained[name]).max() > 0.1


def test_frozen_matrices_are_the_studys_and_travel_nowhere(models: TinyModels) -> None:
    coordinator, site = network_of(models), network_of(models)
    other_study = network_of(models, study_seed=b"t" * 32)
    vector = drawn_sites(coordinator, 3, 1)[0][0]
    assert not [tensor.name for tensor in coordinator.layout.tensors if tensor.name.endswith("lora_a")]
    assert distance(weights_of(coordinator, vector), weights_of(site, vector)) == 0
    assert distance(weights_of(coordinator, vector), weights_of(other_study, vector)) > 0.01


def test_frozen_matrices_differ_between_layers_and_have_pefts_spread(models: TinyModels) -> None:
    from peft.tuners.lora.layer import LoraLayer

    layers = [module for module in network_of(models).body.modules() if isinstance(module, LoraLayer)]
    drawn = np.stack([layer.lora_A["default"].weight.detach().numpy() for layer in layers])
    assert drawn.shape == (8, 2, 32)
    assert len(np.unique(drawn)) == drawn.size
    assert 0.98 / np.sqrt(32) < np.abs(drawn).max() <= 1 / np.sqrt(32)
