"""The training loop around real architectures: what depends on their attention and on recomputed activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autoglm_core.configuration import Value
from autoglm_core.workload import LocalRound, Vector
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.initial import initial
from autoglm_workloads.text.network import Network, build
from autoglm_workloads.text.training.job import Fit, Fitted
from autoglm_workloads.text.training.loop import fit
from autoglm_workloads.text.training.losses import classification_loss
from autoglm_workloads.text.training.options import TextOptions
from autoglm_workloads.text.training.surroundings import training_mode
from autoglm_workloads.text.tuning_options import Method
from support.text_models import on_shelf, tiny_bert, tiny_glm4

SEED = b"s" * 32
LENGTHS = np.random.default_rng(0).integers(4, 12, 44)
LABELS = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 44))
DRAWS = torch.Generator().manual_seed(0)
IDS = [torch.randint(6, 20, (int(length),), generator=DRAWS) for length in LENGTHS]


@pytest.fixture(scope="module", params=["bert", "glm4"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Vector]:
    """A network with LoRA and dropout, and where its training starts."""
    shelf: Path = tmp_path_factory.mktemp("shelf")
    model = tiny_bert(shelf) if request.param == "bert" else tiny_glm4(shelf)
    method = Method(lora_rank=2)
    heads = {"class": HeadSpec("pooled", 3, "mean" if request.param == "bert" else "last")}
    with on_shelf(shelf):
        built = build(model, method, heads, study_seed=SEED, dropout=0.1)
        return built, initial(model, method, heads, study_seed=SEED, seed=SEED)


def trained(network: tuple[Network, Vector], **options: Value) -> tuple[Vector, Fitted]:
    """The vector after 11 steps with `options`, and what the training says."""
    built, start = network
    chosen = TextOptions(batch_size=4, learning_rate=0.01).updated(options)
    built.load(start)

    def collate(rows: NDArray[np.int64]) -> Any:
        texts = [IDS[row] for row in rows]
        pad = built.description.pad
        return torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=pad), LABELS[rows]

    outcome = fit(
        Fit(
            module=built,
            parameters=built.depth_parameters(),
            lengths=LENGTHS,
            collate=collate,
            objective=lambda batch: classification_loss(built(batch[0], "class"), batch[1], chosen),
            options=chosen,
            at=LocalRound(1, SEED),
            rounds=1,
        )
    )
    return built.vector(), outcome


def test_recomputed_activations_give_the_same_training(network: tuple[Network, Vector]) -> None:
    plain, recomputed = trained(network)[0], trained(network, checkpointing=True)[0]
    np.testing.assert_allclose(recomputed, plain, atol=1e-6)
    assert not np.array_equal(plain, network[1])


def test_recomputation_is_on_while_training_alone(network: tuple[Network, Vector]) -> None:
    built, _ = network
    with training_mode(built, checkpointing=True):
        assert built.body.is_activation_checkpointing
        assert built.training
    assert not built.body.is_activation_checkpointing
    assert not built.training


@pytest.mark.parametrize("curvature", ["hutchinson", "differences"])
def test_curvature_is_measured_through_attention_and_changes_nothing(
    network: tuple[Network, Vector], curvature: str
) -> None:
    plain, (measured, outcome) = trained(network)[0], trained(network, curvature=curvature, checkpointing=True)
    np.testing.assert_allclose(measured, plain, atol=1e-6)
    assert outcome.statistics.curvatures == 1
    assert outcome.statistics.curvature_sum != 0.0


@pytest.mark.parametrize("options", [{"optimizer": "lion"}, {"optimizer": "adafactor"}, {"precision": "bfloat16"}])
def test_the_same_arguments_give_the_same_bits(network: tuple[Network, Vector], options: dict[str, Value]) -> None:
    np.testing.assert_array_equal(trained(network, **options)[0], trained(network, **options)[0])
