"""Tuning methods without torch: their layouts are those of the built networks, and what cannot work is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_core.study_error import StudyError
from autoglm_workloads.models.shelf import ShelvedModel
from autoglm_workloads.text.heads import HeadSpec, head_layout
from autoglm_workloads.text.layout import longest_text, text_layout, trained_tensors
from autoglm_workloads.text.methods import Method, method_layout
from autoglm_workloads.text.network import build
from autoglm_workloads.text.sizes import parameter_counts
from support.text_networks import METHODS, SEED
from support.tiny_architectures import DECODERS, ENCODERS, FUSED, POSITIONS, WORDS, TinyModels


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("shelf"))


def heads_for(model: ShelvedModel) -> dict[str, HeadSpec]:
    decoder = model.description.decoder
    heads = {"topic": HeadSpec("pooled", 3, "last" if decoder else "mean"), "tags": HeadSpec("tokens", 5, crf=True)}
    return heads | ({"words": HeadSpec("language", WORDS)} if decoder else {})


PAIRS = [
    (architecture, method)
    for architecture in (*ENCODERS, *DECODERS, FUSED, "glm4-tied")
    for method in METHODS
    if not (architecture == FUSED and method in ("ia3", "prefix"))
]


@pytest.mark.parametrize(("architecture", "method"), PAIRS)
def test_layout_without_torch_is_the_layout_of_the_built_network(
    models: TinyModels, architecture: str, method: str
) -> None:
    model, chosen = models[architecture], METHODS[method]
    heads = heads_for(model)
    network = build(model, chosen, heads, study_seed=SEED, dropout=0.1)
    built = {name: tuple(value.shape) for name, value in network.named_parameters() if value.requires_grad}
    layout = text_layout(model.description, chosen, heads)

    assert network.layout == layout
    assert sum(value.numel() for value in network.parameters() if value.requires_grad) == layout.size
    assert sorted(built.values()) == sorted(tensor.shape for tensor in layout.tensors)
    assert [parameter.name for parameter in network.depth_parameters()] == [item.name for item in layout.tensors]
    assert [tuple(parameter.tensor.shape) for parameter in network.depth_parameters()] == [
        item.shape for item in layout.tensors
    ]
    counts = parameter_counts(model.description, chosen, heads)
    assert counts.total == network.total_parameters
    assert counts.trained == network.trainable_parameters
    merged = network.merged("tags")
    prompt = 0 if merged.prompt is None else merged.prompt.numel()
    assert counts.exported["tags"] == sum(value.numel() for value in merged.parameters()) + prompt


@pytest.mark.parametrize("method", ["ia3", "prefix"])
def test_method_that_cannot_work_is_refused_with_its_name_and_the_architectures(
    models: TinyModels, method: str
) -> None:
    with pytest.raises(StudyError, match=rf"search\.tune\.method: {method} does not fit the architecture gpt2"):
        text_layout(models[FUSED].description, METHODS[method], {"topic": HeadSpec("pooled", 2)})


def test_prefix_is_refused_where_attention_is_not_known_to_take_it(models: TinyModels) -> None:
    skeleton = models["bert"].description.backbone
    assert method_layout(skeleton, METHODS["prefix"], architecture="bert")
    with pytest.raises(StudyError, match="prefix does not fit the architecture deberta-v2: it works with bert, "):
        method_layout(skeleton, METHODS["prefix"], architecture="deberta-v2")


def test_rank_above_the_layers_sides_is_refused(models: TinyModels) -> None:
    with pytest.raises(StudyError, match=r"search\.tune\.lora_rank: must be at most 16 in this model"):
        text_layout(models["glm4"].description, Method("lora", lora_rank=17), {"topic": HeadSpec("pooled", 2)})


def test_prompt_that_leaves_no_position_for_a_text_is_refused(models: TinyModels) -> None:
    description, heads = models["bert"].description, {"topic": HeadSpec("pooled", 2)}
    assert longest_text(description, Method("prompt", prompt_length=POSITIONS - 1)) == 1
    with pytest.raises(StudyError, match=r"search\.tune\.prompt_length: must leave room"):
        text_layout(description, Method("prompt", prompt_length=POSITIONS), heads)


def test_frozen_averaging_halves_the_adapters_numbers_where_layers_are_square(models: TinyModels) -> None:
    skeleton = models["bert"].description.backbone
    sizes = {
        averaging: sum(
            tensor.size for tensor in method_layout(skeleton, Method(lora_averaging=averaging), architecture="bert")
        )
        for averaging in ("ffa", "plain")
    }
    assert sizes["plain"] == 2 * sizes["ffa"]


def test_depths_rise_from_embeddings_to_heads(models: TinyModels) -> None:
    heads = {"topic": HeadSpec("pooled", 2), "tags": HeadSpec("tokens", 3)}
    tensors = trained_tensors(models["bert"].description, Method("full"), heads)
    depths = {tensor.spec.name: (tensor.depth, tensor.head) for tensor in tensors}
    assert depths["backbone.embeddings.word_embeddings.weight"] == (0, False)
    assert depths["backbone.encoder.layer.0.attention.self.query.weight"] == (1, False)
    assert depths["backbone.encoder.layer.1.output.dense.bias"] == (2, False)
    assert depths["head.topic.weight"] == depths["uncertainty.tags"] == (3, True)


def test_one_head_has_no_uncertainty_and_several_have_one_each() -> None:
    alone = head_layout({"topic": HeadSpec("pooled", 2)}, 32)
    assert [tensor.name for tensor in alone] == ["head.topic.weight", "head.topic.bias"]
    both = head_layout({"topic": HeadSpec("pooled", 2), "tags": HeadSpec("tokens", 3, crf=True)}, 32)
    assert [(tensor.name, tensor.shape) for tensor in both] == [
        ("head.tags.weight", (3, 32)),
        ("head.tags.bias", (3,)),
        ("head.tags.between", (3, 3)),
        ("head.tags.start", (3,)),
        ("head.tags.end", (3,)),
        ("head.topic.weight", (2, 32)),
        ("head.topic.bias", (2,)),
        ("uncertainty.tags", ()),
        ("uncertainty.topic", ()),
    ]


@pytest.mark.parametrize(
    ("architecture", "trained"), [("glm4", "lm_head.weight"), ("glm4-tied", "model.embed_tokens.weight")]
)
def test_output_layer_of_language_is_trained_by_name(models: TinyModels, architecture: str, trained: str) -> None:
    description = models[architecture].description
    alone = text_layout(description, Method("head"), {"words": HeadSpec("language", WORDS)})
    assert [tensor.name for tensor in alone.tensors] == [f"backbone.{trained}"]


def test_encoder_is_refused_as_a_language_model(models: TinyModels) -> None:
    with pytest.raises(StudyError, match="bert predicts no next token here"):
        text_layout(models["bert"].description, Method("lora"), {"words": HeadSpec("language", WORDS)})


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"method": "lara"}, "search.tune.method: must be one of full, head, lora"),
        ({"lora_rank": 0}, "search.tune.lora_rank: must be a whole number of at least 1"),
        ({"lora_alpha": 0}, "search.tune.lora_alpha: must be a number above 0"),
        ({"lora_targets": "qv"}, "search.tune.lora_targets: must be one of attention, feed-forward, all"),
        ({"prompt_length": 2.5}, "search.tune.prompt_length: must be a whole number"),
    ],
)
def test_bad_option_is_refused_by_name(tune: dict[str, str | float], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        Method().updated(tune)
    assert message in str(caught.value)


def test_options_are_taken_from_a_configuration() -> None:
    method = Method().updated({"method": "lora", "lora_rank": 2, "lora_alpha": 4, "learning_rate": 1.0})
    assert (method.lora_rank, method.lora_alpha, method.lora_averaging) == (2, 4.0, "ffa")


def test_layouts_are_asked_for_without_torch() -> None:
    code = (
        "import sys\n"
        "import autoglm_workloads.text.sizes, autoglm_workloads.text.initial\n"
        "print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/"))
    assert run.stdout.strip() == "[]"
