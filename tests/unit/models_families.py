"""Descriptions without torch say what torch builds, for every family that is offered; and how much memory it takes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoglm_workloads.models import shelf
from autoglm_workloads.models.describe import describe
from autoglm_workloads.models.description import Description
from autoglm_workloads.models.loading import load, quiet
from autoglm_workloads.models.memory import PROCESS, TooLittleMemory, device_memory, estimate, require_memory
from support.text_models import minilm, on_shelf, write_tokenizer

WIDE: dict[str, Any] = {
    "vocab_size": 120, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 5, "max_position_embeddings": 64,
}  # fmt: skip
GROUPED = WIDE | {"num_key_value_heads": 2, "head_dim": 8}
CONFIGS: dict[str, dict[str, Any]] = {
    "glm": GROUPED,
    "glm4": GROUPED,
    "llama": GROUPED,
    "qwen2": GROUPED | {"tie_word_embeddings": True},
    "qwen3": GROUPED,
    "gpt2": {"vocab_size": 120, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "eos_token_id": 5},
    "bert": WIDE,
    "roberta": WIDE | {"pad_token_id": 1},
    "distilbert": {"vocab_size": 120, "dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "pad_token_id": 0},
    "deberta-v2": WIDE,
}
GLM_BLOCK = (
    ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"],
    ["mlp.gate_up_proj", "mlp.down_proj"],
)
LLAMA_BLOCK = (GLM_BLOCK[0], ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"])
BERT_BLOCK = (
    ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
    ["intermediate.dense", "output.dense"],
)
BLOCKS = {
    "glm": GLM_BLOCK, "glm4": GLM_BLOCK, "llama": LLAMA_BLOCK, "qwen2": LLAMA_BLOCK, "qwen3": LLAMA_BLOCK,
    "bert": BERT_BLOCK, "roberta": BERT_BLOCK,
    "gpt2": (["attn.c_attn", "attn.c_proj"], ["mlp.c_fc", "mlp.c_proj"]),
    "distilbert": (
        ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"], ["ffn.lin1", "ffn.lin2"],
    ),
    "deberta-v2": (
        [
            "attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj",
            "attention.output.dense",
        ],
        ["intermediate.dense", "output.dense"],
    ),
}  # fmt: skip
DECODERS = {"glm", "glm4", "llama", "qwen2", "qwen3", "gpt2"}


def put(family: str, place: Path) -> shelf.ShelvedModel:
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.CONFIG_MAPPING[family](**CONFIGS[family])
    kind = transformers.AutoModelForCausalLM if family in DECODERS else transformers.AutoModelForMaskedLM
    with quiet():
        kind.from_config(config).save_pretrained(place / family)
    shutil.copyfile(write_tokenizer(place / "tokenizer.json"), place / family / "tokenizer.json")
    with on_shelf(place / "shelf"):
        return shelf.put(place / family, describe=describe)


@pytest.mark.parametrize("family", CONFIGS)
def test_a_description_is_what_torch_builds(family: str, tmp_path: Path) -> None:
    import torch

    model = put(family, tmp_path)
    known = model.description
    assert (known.decoder, known.layers, known.heads, known.hidden_size) == (family in DECODERS, 2, 4, 32)
    assert (known.language is not None) == known.decoder
    for skeleton, language in ((known.backbone, False), *([(known.language, True)] if known.language else [])):
        module = load(model, language=language)
        built = [(name, tuple(value.shape)) for name, value in module.named_parameters()]
        assert [(tensor.name, tensor.shape) for tensor in skeleton.tensors] == built
        assert set(skeleton.depth) == {name for name, _ in built}
        modules = dict(module.named_modules())
        for linear in skeleton.linears:
            shape = (linear.inputs, linear.outputs) if linear.transposed else (linear.outputs, linear.inputs)
            assert tuple(modules[linear.name].weight.shape) == shape
        assert all(value.dtype is torch.float32 for value in module.parameters()) and not module.training


@pytest.mark.parametrize("family", BLOCKS)
def test_attention_and_feed_forward_are_told_apart(family: str, tmp_path: Path) -> None:
    skeleton = put(family, tmp_path).description.backbone
    for names, expected in zip((skeleton.attention, skeleton.feed_forward), BLOCKS[family], strict=True):
        assert [name.partition(".1.")[2] for name in names if ".1." in name] == expected
        assert {skeleton.depth[f"{name}.weight"] for name in names} == {1, 2}


def test_roberta_has_fewer_positions_than_it_counts(tmp_path: Path) -> None:
    known = put("roberta", tmp_path).description
    assert known.positions == 64 - known.pad - 1


def test_a_stored_description_reads_back(tmp_path: Path) -> None:
    known = put("glm4", tmp_path).description
    assert Description.from_json(known.to_json()) == known


def test_minilm_needs_what_it_was_measured_to_need(tmp_path: Path) -> None:
    """Peaks of a process on torch 2.13 (CPU, one thread), AdamW: 1.70, 1.77, 4.99, 5.98 and 0.53 GB."""
    known = minilm(tmp_path).description
    assert known.backbone.parameters == 22_565_376
    measured = [("full", 22_565_376, 64, 1.70), ("lora", 331_776, 64, 1.77), ("full", 22_565_376, 256, 4.99)]
    measured += [("lora", 331_776, 256, 5.98), ("head", 2_310, 64, 0.53)]
    for method, trainable, length, peak in measured:
        needed = estimate(known, trainable=trainable, batch=32, length=length, method=method) / 1e9
        assert peak <= needed <= 2 * peak, (method, length, needed)
    for length, peak in [(64, 0.99), (128, 1.59), (256, 2.89)]:  # LoRA on every map, with checkpointing
        needed = estimate(known, trainable=168_198, batch=32, length=length, method="lora", checkpointing=True) / 1e9
        assert peak <= needed <= 2 * peak, (length, needed)


def test_minilm_needs_what_it_was_measured_to_need_with_learned_prompts(tmp_path: Path) -> None:
    """Peaks of a process on torch 2.13 (CPU, one thread), half of the rows padded; tokens of a text, prompt, peak."""
    known = minilm(tmp_path).description
    measured = [
        ("prompt", 0.0, 32, 32, 400, 2.63),
        ("prompt", 0.1, 32, 32, 16, 0.85),
        ("prompt", 0.1, 16, 100, 100, 1.71),
    ]
    measured += [("prefix", 0.0, 32, 128, 256, 1.32), ("prefix", 0.0, 32, 32, 400, 0.95)]
    measured += [("prefix", 0.1, 32, 32, 400, 1.55), ("prompt", 0.1, 16, 32, 300, 3.13)]
    for method, dropout, batch, length, learned, peak in measured:
        needed = estimate(known, trainable=0, batch=batch, length=length, method=method, learned=learned) / 1e9
        assert peak <= needed <= (2 if dropout else 4) * peak, (method, length, learned, needed)


def test_minilm_needs_what_it_was_measured_to_need_with_second_derivatives(tmp_path: Path) -> None:
    """Peaks as above, `curvature: hutchinson`: LoRA on attention, LoRA on every map with checkpointing, a prompt."""
    known = minilm(tmp_path).description
    for method, trainable, batch, length, learned, peak, checkpointing in [
        ("lora", 76_038, 32, 64, 0, 2.21, False),
        ("lora", 76_038, 16, 192, 0, 3.72, False),
        ("lora", 168_198, 32, 64, 0, 2.73, True),
        ("prompt", 40_710, 16, 32, 100, 1.89, False),
        ("full", 22_567_686, 32, 64, 0, 3.14, False),
    ]:
        needed = (
            estimate(
                known,
                trainable=trainable,
                batch=batch,
                length=length,
                method=method,
                checkpointing=checkpointing,
                learned=learned,
                copies=14,
                second_graph=True,
            )
            / 1e9
        )
        assert peak <= needed <= 2 * peak, (method, length, needed)


def test_logits_of_a_vocabulary_count_and_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    known = put("glm4", tmp_path).description
    plain, language = (
        estimate(known, trainable=0, batch=8, length=32, method="lora", language=value) for value in (False, True)
    )
    assert language > plain + 4 * 8 * 32 * known.vocabulary
    require_memory(language, None)
    require_memory(language, language)
    with pytest.raises(TooLittleMemory, match="memory_gb"):
        require_memory(language, language - 1)


def test_what_a_device_has_free_counts_beside_the_limit() -> None:
    """Figures in place of a device: the arithmetic is all that is ours."""
    needed = PROCESS + 10 * 10**9
    require_memory(needed, needed, device=10 * 10**9)
    with pytest.raises(TooLittleMemory, match=r"needs about 10\.00 GB .* the device has 9\.00 free"):
        require_memory(needed, None, device=9 * 10**9)
    with pytest.raises(TooLittleMemory, match="memory_gb"):
        require_memory(needed, needed - 1, device=10**12)
    # What this process's allocator holds on to for its next tensors is free for them, and for nobody else.
    require_memory(needed, None, device=device_memory(7 * 10**9, reserved=5 * 10**9, allocated=2 * 10**9))


def test_recomputed_activations_need_less(tmp_path: Path) -> None:
    deep = replace(put("glm4", tmp_path).description, layers=48)
    kept, computed_again = (
        estimate(deep, trainable=0, batch=32, length=64, method="lora", checkpointing=value) for value in (False, True)
    )
    assert computed_again - PROCESS < (kept - PROCESS) / 4
