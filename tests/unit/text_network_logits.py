"""Logits: what is exported computes the same, padding changes nothing, prompts and prefixes are seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoglm_workloads.text.errors import TextTooLong
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.methods import Method
from support.text_networks import IDS, METHODS, logits, network_of, somewhere
from support.tiny_architectures import POSITIONS, WORDS, TinyModels


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("shelf"))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "head"])
@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "glm", "glm4", "llama"])
def test_merged_module_computes_the_same_and_padding_changes_nothing(
    models: TinyModels, architecture: str, method: str
) -> None:
    decoder = models[architecture].description.decoder
    heads = {"topic": HeadSpec("pooled", 3, "last" if decoder else "mean"), "tags": HeadSpec("tokens", 5, crf=True)}
    heads |= {"words": HeadSpec("language", WORDS)} if decoder else {}
    network = network_of(models, architecture, METHODS[method], heads)
    network.load(somewhere(network))
    counted = IDS.ne(0).numpy()
    for head, spec in heads.items():
        expected = logits(network, IDS, head)
        places = slice(None) if spec.kind == "pooled" else counted
        merged = network.merged(head)
        assert np.abs(logits(merged, IDS) - expected)[places].max() < 1e-4
        alone = logits(network, IDS[1:2, :5], head)[0]
        assert np.abs(alone - (expected[1] if spec.kind == "pooled" else expected[1, :5])).max() < 1e-4


def test_merged_module_stays_as_it_is_when_the_network_goes_on(models: TinyModels) -> None:
    for method in ("full", "lora", "prompt"):
        network = network_of(models, "bert", METHODS[method])
        network.load(somewhere(network, 1))
        merged = network.merged("topic")
        before = logits(merged, IDS)
        assert not [name for name, _ in merged.named_modules() if "lora" in name]
        network.load(somewhere(network, 2))
        assert np.array_equal(logits(merged, IDS), before)


@pytest.mark.parametrize(("variant", "scale"), [("plain", 12 / 4), ("rslora", 12 / 2)])
def test_update_of_a_weight_is_the_scaled_product(models: TinyModels, variant: str, scale: float) -> None:
    method = Method("lora", lora_rank=4, lora_alpha=12.0, lora_variant=variant, lora_averaging="plain")
    network = network_of(models, "bert", method)
    network.load(somewhere(network))
    layer = "encoder.layer.1.attention.self.value"
    with torch.no_grad():
        pretrained = network_of(models, "bert", Method("head")).body.get_submodule(layer).weight
        update = network.merged("topic").body.get_submodule(layer).weight - pretrained
        product = network.parameter(f"{layer}.lora_b") @ network.parameter(f"{layer}.lora_a")
    assert (update - scale * product).abs().max() < 1e-5


@pytest.mark.parametrize("pooling", ["first", "last", "mean"])
def test_pooling_takes_the_states_it_names(models: TinyModels, pooling: str) -> None:
    network = network_of(models, "bert", Method("head"), {"topic": HeadSpec("pooled", 3, pooling)})
    network.load(somewhere(network))
    with torch.no_grad():
        states = network.body(input_ids=IDS[1:2, :5]).last_hidden_state[0]
        chosen = {"first": states[0], "last": states[4], "mean": states.mean(0)}[pooling]
        weight, bias = (network.parameter(f"head.topic.{name}") for name in ("weight", "bias"))
        expected = (weight @ chosen + bias).numpy()
    assert np.abs(logits(network, IDS, "topic")[1] - expected).max() < 1e-5


@pytest.mark.parametrize("architecture", ["bert", "roberta", "glm4"])
@pytest.mark.parametrize("method", ["prefix", "prompt"])
def test_empty_text_has_finite_logits(models: TinyModels, architecture: str, method: str) -> None:
    network = network_of(models, architecture, METHODS[method])
    network.load(somewhere(network))
    assert np.isfinite(logits(network, torch.zeros(2, 6, dtype=torch.int64), "topic")).all()


def test_padding_inside_a_text_is_a_token_like_any_other(models: TinyModels) -> None:
    """Decoders often pad with the token that ends a text, which stands between joined texts, too."""
    network = network_of(models, "glm4", METHODS["lora"], {"words": HeadSpec("language", WORDS)})
    network.load(somewhere(network))
    joined, replaced = (torch.tensor([[5, 6, middle, 7, 8, 0, 0]]) for middle in (0, 9))
    with torch.no_grad():
        plain = network.body(input_ids=joined[:, :5]).logits
    assert np.abs(logits(network, joined, "words")[:, :5] - plain.numpy()).max() < 1e-5
    assert np.abs(logits(network, joined, "words") - logits(network, replaced, "words"))[:, 3:5].max() > 1e-3


def test_decoder_with_a_prefix_does_not_see_what_follows(models: TinyModels) -> None:
    heads = {"words": HeadSpec("language", WORDS)}
    network = network_of(models, "glm4", METHODS["prefix"], heads)
    network.load(somewhere(network))
    text = IDS[:1].clone()  # without padding: the mask may be left to the attention function
    other = text.clone()
    other[0, 6:] = 7
    assert np.abs(logits(network, text, "words")[0, :6] - logits(network, other, "words")[0, :6]).max() < 1e-6


def test_prefix_and_prompt_change_what_the_model_says(models: TinyModels) -> None:
    for method in ("prefix", "prompt"):
        network = network_of(models, "distilbert", METHODS[method])
        vector = network.vector()
        tensors = network.layout.split(somewhere(network))
        network.load(network.layout.join(tensors))
        told = logits(network, IDS, "topic")
        for name in tensors:
            if not name.startswith("head."):
                tensors[name] = network.layout.split(vector)[name]
        network.load(network.layout.join(tensors))
        assert np.abs(told - logits(network, IDS, "topic")).max() > 1e-3


def test_text_beyond_the_models_positions_is_refused(models: TinyModels) -> None:
    network = network_of(models, "bert", METHODS["prompt"])
    longest = torch.full((1, POSITIONS - 3), 5)
    assert logits(network, longest, "topic").shape == (1, 3)
    with pytest.raises(TextTooLong) as caught:
        network(torch.full((1, POSITIONS - 2), 5), "topic")
    assert caught.value.data == {"tokens": 38, "longest": 37}
    roberta = network_of(models, "roberta", Method("head"))
    assert logits(roberta, torch.full((1, POSITIONS - 1), 5), "topic").shape == (1, 3)
    with pytest.raises(TextTooLong):
        roberta(torch.full((1, POSITIONS), 5), "topic")
