"""Models that would make a runtime open other files are refused before one sees them."""

from __future__ import annotations

import pytest

from autoglm_workloads.child.model_bytes import BadModel, ExternalData, refuse_external_data
from support.onnx_models import constant_in_branch, two_layers

WHOLE = two_layers(8)


def test_a_model_that_holds_its_weights_passes() -> None:
    refuse_external_data(WHOLE)


def test_weights_in_another_file_are_refused() -> None:
    with pytest.raises(ExternalData):
        refuse_external_data(two_layers(8, external=True))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_they_are_found_in_the_branches_of_a_graph(depth: int) -> None:
    with pytest.raises(ExternalData):
        refuse_external_data(constant_in_branch(8, depth=depth))


def test_a_bomb_of_nested_graphs_is_refused() -> None:
    message = b""
    for number in (6, 5, 1) * 40:  # attribute.g, node.attribute, graph.node
        message = bytes([number << 3 | 2]) + _varint(len(message)) + message
    with pytest.raises(BadModel):
        refuse_external_data(b"\x3a" + _varint(len(message)) + message)


@pytest.mark.parametrize("high", [1, 15])
def test_a_field_number_that_a_runtime_would_cut_to_32_bits_hides_nothing(high: int) -> None:
    """onnxruntime reads `graph` here and would look for its weights in another file; a walk that does not would not."""
    model = two_layers(8, external=True)
    head, graph = model[: model.index(b"\x3a")], model[model.index(b"\x3a") + 1 :]
    with pytest.raises(ExternalData):
        refuse_external_data(model)
    with pytest.raises(BadModel):
        refuse_external_data(head + b"\xba\x80\x80\x80" + bytes([high << 4]) + graph)


@pytest.mark.parametrize("cut", [1, 7, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_truncated_model_is_refused(cut: int) -> None:
    with pytest.raises(BadModel):
        refuse_external_data(WHOLE[:cut])


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])
