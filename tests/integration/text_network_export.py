"""What stays beside a model's weights (prefixes, prompts) is in its ONNX graph and computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from autoglm_compression.models.language_graph import export_language
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.methods import Method
from autoglm_workloads.text.network import build
from support.tiny_architectures import WORDS, TinyModels

HEADS = {"tags": HeadSpec("tokens", 5), "topic": HeadSpec("pooled", 3, "last")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "method", "head"),
    [
        ("bert", Method("prefix", prompt_length=3), "topic"),
        ("roberta", Method("prompt", prompt_length=3), "tags"),
    ],
)
def test_exported_graph_gives_the_networks_logits_at_other_lengths(
    tmp_path: Path, architecture: str, method: Method, head: str
) -> None:
    model = TinyModels(tmp_path)[architecture]
    network = build(model, method, {head: HEADS[head]}, study_seed=b"s" * 32, dropout=0.1)
    stream = np.random.default_rng(2)
    network.load(network.vector() + stream.normal(0, 0.2, network.layout.size).astype(np.float32))
    graph = export_language(network.merged(head), length=12, vocabulary=WORDS)
    assert graph.max_abs_difference < 1e-4
    session = onnxruntime.InferenceSession(graph.model)
    ids = stream.integers(2, WORDS, (3, 7))
    ids[1, 4:] = 0
    with torch.no_grad():
        expected = network(torch.tensor(ids), head).numpy()
    assert np.abs(session.run(None, {"input": ids})[0] - expected).max() < 1e-4
