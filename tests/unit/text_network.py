"""Networks: one vector decides what they compute, whatever was done before; and where training starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoglm_core.workload import Vector, WrongLength
from autoglm_workloads.text.errors import OtherModules
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.initial import initial
from autoglm_workloads.text.methods import Method
from autoglm_workloads.text.network import Network, build
from support.text_networks import IDS, METHODS, POOLED, SEED, logits, network_of, somewhere
from support.tiny_architectures import WORDS, TinyModels

LABELS = torch.tensor([0, 1, 2, 1])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("shelf"))


def train(network: Network, vector: Vector, *, checkpointing: bool = False, steps: int = 3) -> Vector:
    """A training as a task does it, with dropout; ends without tidying up."""
    network.load(vector)
    torch.manual_seed(5)
    network.train()
    if checkpointing:
        network.body.activation_checkpointing_enable({"use_reentrant": False})
    parameters = [parameter.tensor for parameter in network.depth_parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(IDS, "topic"), LABELS).backward()
        optimizer.step()
    return network.vector()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("architecture", ["bert", "glm4"])
def test_task_after_another_is_the_task_alone(models: TinyModels, architecture: str, method: str) -> None:
    used, fresh = (network_of(models, architecture, METHODS[method]) for _ in range(2))
    first, second = somewhere(used, 1), somewhere(used, 2)
    train(used, first, checkpointing=True)
    used.load(second)
    fresh.load(second)
    assert np.array_equal(used.vector(), second)
    assert not [module for module in used.modules() if getattr(module, "gradient_checkpointing", False)]
    assert all(value.grad is None for value in used.parameters())
    assert np.array_equal(logits(used, IDS, "topic"), logits(fresh, IDS, "topic"))
    assert np.array_equal(train(used, second), train(fresh, second))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("architecture", ["bert", "glm4"])
def test_every_trained_tensor_learns_and_nothing_else_does(models: TinyModels, architecture: str, method: str) -> None:
    heads = {"topic": HeadSpec("pooled", 3, "mean")}
    network = network_of(models, architecture, METHODS[method], heads, dropout=0.0)
    start = somewhere(network)
    trained = {id(parameter.tensor) for parameter in network.depth_parameters()}
    frozen = [value.clone() for value in network.parameters() if id(value) not in trained]
    moved = network.layout.split(train(network, start) - start)
    still = [name for name, change in moved.items() if not np.any(change)]
    # Softmax does not see the bias of a key.
    assert [name for name in still if not name.endswith("key.bias")] == []
    after = [value for value in network.parameters() if id(value) not in trained]
    assert all(torch.equal(one, other) for one, other in zip(frozen, after, strict=True))


def test_recomputed_activations_train_the_same(models: TinyModels) -> None:
    for method in ("lora", "prefix", "prompt"):
        network = network_of(models, "glm4", METHODS[method], dropout=0.1)
        start = somewhere(network)
        plain, again = train(network, start), train(network, start, checkpointing=True)
        assert np.abs(plain - again).max() < 1e-6


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "glm4", "gpt2", "opt"])
def test_dropout_is_the_given_one_everywhere(models: TinyModels, architecture: str) -> None:
    for dropout in (0.0, 0.3):
        network = network_of(models, architecture, Method("head"), dropout=dropout)
        network.load(somewhere(network))
        network.train()
        assert np.array_equal(logits(network, IDS, "topic"), logits(network, IDS, "topic")) == (dropout == 0.0)
        with torch.no_grad():
            states = [network.body(input_ids=IDS).last_hidden_state for _ in range(2)]
        assert torch.equal(*states) == (dropout == 0.0)


def test_building_draws_the_same_each_time_and_leaves_torchs_generator_alone(models: TinyModels) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one = network_of(models, "bert", METHODS["lora-plain"])
    assert torch.equal(torch.rand(2), expected)
    assert np.array_equal(one.vector(), network_of(models, "bert", METHODS["lora-plain"]).vector())


def test_vector_of_another_length_is_refused_and_changes_nothing(models: TinyModels) -> None:
    network = network_of(models, "bert", METHODS["lora"])
    before = network.vector()
    with pytest.raises(WrongLength):
        network.load(before[:-1])
    assert np.array_equal(network.vector(), before)


def test_tied_embeddings_are_trained_once_and_move_the_logits(models: TinyModels) -> None:
    heads = {"words": HeadSpec("language", WORDS)}
    network = network_of(models, "glm4-tied", Method("head"), heads)
    assert [tensor.name for tensor in network.layout.tensors] == ["backbone.model.embed_tokens.weight"]
    before = logits(network, IDS, "words")
    network.load(somewhere(network))
    assert network.body.lm_head.weight is network.body.model.embed_tokens.weight
    assert np.abs(logits(network, IDS, "words") - before).max() > 0.01


def test_crf_of_a_head_is_its_own_tensors(models: TinyModels) -> None:
    network = network_of(models, "bert", Method("head"), {"tags": HeadSpec("tokens", 5, crf=True)})
    network.load(somewhere(network))
    chain = network.chain("tags")
    assert chain.between.shape == (5, 5)
    assert torch.equal(chain.end, network.parameter("head.tags.end"))


def test_model_that_transformers_builds_otherwise_is_refused(models: TinyModels) -> None:
    from dataclasses import replace

    model = models["bert"]
    skeleton = model.description.backbone
    tensors = (replace(skeleton.tensors[0], shape=(3, 3)), *skeleton.tensors[1:])
    other = replace(model, description=replace(model.description, backbone=replace(skeleton, tensors=tensors)))
    with pytest.raises(OtherModules, match=r"backbone\.embeddings\.word_embeddings\.weight is missing or of another"):
        build(other, Method("full"), POOLED, study_seed=SEED, dropout=0.0)


def test_first_weights_are_the_pretrained_ones_but_for_a_jitter(models: TinyModels) -> None:
    model = models["bert"]
    one, other = (
        initial(model, Method("full"), POOLED, study_seed=SEED, seed=bytes([number]) * 32) for number in (1, 2)
    )
    network = network_of(models, "bert", Method("full"))
    tensors, pretrained = network.layout.split(one), network.layout.split(network.vector())
    for name, value in tensors.items():
        if not name.startswith("head."):
            size = np.sqrt(np.mean(pretrained[name] ** 2)) or 1.0
            assert np.abs(value - pretrained[name]).max() < 1e-5 * size
    assert np.mean(one == other) < 0.2
    assert np.array_equal(one, initial(model, Method("full"), POOLED, study_seed=SEED, seed=bytes([1]) * 32))


@pytest.mark.parametrize("method", ["lora", "lora-plain", "rslora", "dora", "ia3", "adapter"])
def test_adapters_start_where_the_model_is(models: TinyModels, method: str) -> None:
    for architecture in ("bert", "glm4"):
        network = network_of(models, architecture, METHODS[method])
        start = initial(models[architecture], METHODS[method], POOLED, study_seed=SEED, seed=b"i" * 32)
        assert np.count_nonzero(start) == start.size
        network.load(start)
        plain = network_of(models, architecture, Method("head"))
        tensors = network.layout.split(start)
        plain.load(plain.layout.join({spec.name: tensors[spec.name] for spec in plain.layout.tensors}))
        assert np.abs(logits(network, IDS, "topic") - logits(plain, IDS, "topic")).max() < 1e-4


def test_prompts_start_at_words(models: TinyModels) -> None:
    network = network_of(models, "bert", METHODS["prompt"])
    start = initial(models["bert"], METHODS["prompt"], POOLED, study_seed=SEED, seed=b"i" * 32)
    prompt, words = network.layout.split(start)["prompt"], network.word_vectors()
    distances = np.abs(prompt[:, None] - words[None]).max(axis=2)
    assert distances.min(axis=1).max() < 1e-5
    assert len(set(distances.argmin(axis=1))) > 1
