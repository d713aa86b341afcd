"""Language models as ONNX graphs against the torch modules they come from."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from autoglm_compression.models import language_graph
from autoglm_compression.models.language_graph import LanguageGraph, ModelTooLarge, export_language, synthetic_ids
from autoglm_compression.models.metadata import annotate
from autoglm_compression.models.numerics import NumericsMismatch, model_logits
from autoglm_compression.models.session import open_session
from support.language_modules import CLASSES, HIDDEN, LENGTH, PAD, VOCABULARY, decoder, encoder, exported_encoder

Ids = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def export(module: nn.Module, key: str | None = None) -> LanguageGraph:
    return export_language(module, length=LENGTH, vocabulary=VOCABULARY, pad=PAD, key=key)


def torch_logits(module: nn.Module, ids: Ids) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with torch.inference_mode():
        logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = module(torch.from_numpy(ids)).numpy()
        return logits


@pytest.fixture(scope="module")
def pooled() -> LanguageGraph:
    """The first encoder of the key `encoder`."""
    return exported_encoder()


@pytest.fixture(scope="module")
def generated() -> LanguageGraph:
    """GLM-4's graph has everything of the other decoders', and norms after each block."""
    return export(decoder("glm4"), key="decoder")


def test_an_encoder_gives_pooled_logits_at_any_batch_and_length(pooled: LanguageGraph) -> None:
    assert pooled.max_abs_difference < 1e-5
    session = open_session(pooled.model)
    assert [(entry.name, entry.type, entry.shape) for entry in session.get_inputs()] == [
        ("input", "tensor(int64)", ["batch", "length"])
    ]
    assert [entry.name for entry in session.get_outputs()] == ["logits"]
    for rows, length in ((1, 1), (5, LENGTH), (3, 40)):
        ids = synthetic_ids(length, VOCABULARY, pad=PAD, rows=rows)
        logits = model_logits(session, ids)
        assert logits.dtype == np.float32
        assert logits.shape == (rows, CLASSES)
        np.testing.assert_allclose(logits, torch_logits(encoder(), ids), atol=1e-5)


def test_a_decoder_gives_logits_of_every_token(generated: LanguageGraph) -> None:
    session = open_session(generated.model)
    for rows, length in ((1, 1), (2, 31)):
        ids = synthetic_ids(length, VOCABULARY, pad=PAD, rows=rows)
        logits = model_logits(session, ids)
        assert logits.shape == (rows, length, VOCABULARY)
        np.testing.assert_allclose(logits, torch_logits(decoder("glm4"), ids), atol=1e-5)


@pytest.mark.parametrize("family", ["glm", "llama"])
@pytest.mark.long
def test_the_other_families_of_decoders_are_exported_too(family: str) -> None:
    assert export(decoder(family)).max_abs_difference < 1e-5


@pytest.mark.usefixtures("pooled")
def test_other_weights_of_a_shape_are_not_traced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_graph, "trace_bare", None)  # whoever traces fails
    other = encoder(seed=1)
    swapped = export(other, key="encoder")
    assert swapped.max_abs_difference < 1e-5
    ids = synthetic_ids(LENGTH, VOCABULARY, pad=PAD)
    np.testing.assert_allclose(model_logits(open_session(swapped.model), ids), torch_logits(other, ids), atol=1e-5)


def test_a_graph_of_the_store_says_the_same_bytes_however_it_was_made(pooled: LanguageGraph) -> None:
    """An artifact is known by its hash: a warm process must not give another than a fresh one."""
    again = export(encoder(), key="encoder")
    assert again.model == pooled.model
    assert export(encoder()).model == pooled.model


def test_layers_that_start_out_equal_are_kept_apart(pooled: LanguageGraph) -> None:
    """All biases of a new model are zero; the exporter would share one of them among all layers."""
    sizes = [len(tensor.raw_data) for tensor in onnx.ModelProto.FromString(pooled.model).graph.initializer]
    assert sum(sizes) >= sum(value.numel() * 4 for value in encoder().parameters())


@pytest.mark.usefixtures("pooled")
def test_a_key_that_lies_about_the_shape_costs_a_tracing_and_nothing_else() -> None:
    narrow = nn.Sequential(nn.Embedding(VOCABULARY, 8), nn.Linear(8, 3))
    assert export(narrow, key="encoder").max_abs_difference < 1e-5


class Merged(nn.Module):  # type: ignore[misc]
    """Multiplies two weights with each other before it uses them, as an adapter that was not merged does."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(VOCABULARY, HIDDEN)
        self.first, self.second = (nn.Parameter(torch.randn(HIDDEN, HIDDEN)) for _ in range(2))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self.embedding(ids) @ (self.first @ self.second)
        return product


def test_weights_that_were_merged_are_traced_afresh_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert export(Merged(1), key="merged").max_abs_difference < 1e-4
    monkeypatch.setattr(language_graph, "trace_bare", None)  # that this one has no bare graph is known by now
    assert export(Merged(2), key="merged").max_abs_difference < 1e-4


class Forgetful(nn.Module):  # type: ignore[misc]
    """Computes something else each time."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.calls = 0

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        looked_up: torch.Tensor = self.embedding(ids) * self.calls
        return looked_up


def test_a_graph_that_computes_something_else_is_refused() -> None:
    with pytest.raises(NumericsMismatch):
        export(Forgetful())


def test_a_module_in_training_is_exported_without_its_dropout_and_stays_in_training() -> None:
    module = nn.Sequential(nn.Embedding(VOCABULARY, 8), nn.Dropout(0.5)).train()
    assert export(module).max_abs_difference < 1e-5
    assert module.training


def test_a_model_that_one_file_cannot_hold_is_refused_before_anything_is_copied() -> None:
    with pytest.raises(ModelTooLarge, match=r"2\.40 GB .*choose a smaller model"):
        export(nn.Embedding(600_000, 1000, device="meta"))


def test_a_graph_names_nothing_of_the_machine_that_made_it(pooled: LanguageGraph) -> None:
    for trace in (b"site-packages", b"modeling_bert.py", b"forward"):
        assert trace not in pooled.model


def test_a_note_is_read_back_and_replaced(pooled: LanguageGraph) -> None:
    noted = annotate(annotate(pooled.model, "autoglm.tags", "BIO"), "autoglm.decoding", '{"beams":1}')
    noted = annotate(noted, "autoglm.tags", "BIOES")
    assert open_session(noted).get_modelmeta().custom_metadata_map == {
        "autoglm.tags": "BIOES",
        "autoglm.decoding": '{"beams":1}',
    }
