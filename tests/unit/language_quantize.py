"""Int8 variants of language graphs against onnxruntime's own quantizer, and what they are for: size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from autoglm_compression.models.language_graph import synthetic_ids
from autoglm_compression.models.language_quantize import quantize_language
from autoglm_compression.models.numerics import model_logits
from autoglm_compression.models.session import open_session
from support.language_modules import PAD, VOCABULARY, encoder, exported_encoder

INPUTS = HIDDEN = 48
STREAM = np.random.default_rng(3)
TABLE = STREAM.standard_normal((VOCABULARY, INPUTS)).astype(np.float32)
WEIGHT = STREAM.standard_normal((INPUTS, HIDDEN)).astype(np.float32)
BIAS = STREAM.standard_normal(HIDDEN).astype(np.float32)
IDS = synthetic_ids(8, VOCABULARY, pad=PAD)


def graph(*nodes: onnx.NodeProto, held: dict[str, NDArray[Any]], rank: int = 3) -> bytes:
    """A model from ids `input` to `logits`; `held`: its constants."""
    inputs = [helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "length"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None] * rank)]
    constants = [numpy_helper.from_array(values, name) for name, values in held.items()]
    made = helper.make_graph(list(nodes), "test", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def operators(model: bytes) -> set[str]:
    return {node.op_type for node in onnx.ModelProto.FromString(model).graph.node}


def constants(model: bytes) -> dict[str, NDArray[Any]]:
    return {entry.name: numpy_helper.to_array(entry) for entry in onnx.ModelProto.FromString(model).graph.initializer}


def logits(model: bytes) -> NDArray[np.float32]:
    return model_logits(open_session(model), IDS)


LOOK_UP = helper.make_node("Gather", ["table", "input"], ["looked-up"])
PRODUCT = helper.make_node("MatMul", ["looked-up", "weight"], ["logits"])


def test_a_product_is_that_of_the_runtimes_own_quantizer(tmp_path: Path) -> None:
    """Seven bits, one scale per output, no zero points: what this writes by hand is what onnxruntime writes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # A table of whole numbers up to 127 is packed without loss, so that the products alone are compared.
    table = STREAM.integers(-127, 128, TABLE.shape).astype(np.float32)
    table[:, 0] = 127
    model = graph(LOOK_UP, PRODUCT, held={"table": table, "weight": WEIGHT})
    path = tmp_path / "quantized.onnx"
    quantize_dynamic(
        onnx.ModelProto.FromString(model),
        path,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    np.testing.assert_allclose(logits(quantize_language(model)), logits(path.read_bytes()), rtol=1e-5, atol=1e-3)


def test_a_layer_with_bias_and_transposed_weight_is_quantized_alike() -> None:
    """Gemm, as torch writes a linear layer on rows."""
    flat = helper.make_node("ReduceMean", ["looked-up", "axes"], ["rows"], keepdims=0)
    gemm = helper.make_node("Gemm", ["rows", "weight", "bias"], ["logits"], transB=1)
    held = {"table": TABLE, "weight": np.ascontiguousarray(WEIGHT.T), "bias": BIAS, "axes": np.array([1])}
    model = graph(LOOK_UP, flat, gemm, held=held, rank=2)
    packed = quantize_language(model)
    assert "Gemm" not in operators(packed)
    np.testing.assert_allclose(logits(packed), logits(model), atol=0.2)


def test_a_table_is_packed_per_row_in_all_eight_bits() -> None:
    model = graph(helper.make_node("Gather", ["table", "input"], ["logits"]), held={"table": TABLE * np.float32(50)})
    packed = quantize_language(model)
    (table,) = (values for values in constants(packed).values() if values.dtype == np.int8)
    assert np.abs(table.astype(int)).max(axis=1).tolist() == [127] * VOCABULARY
    largest = np.abs(logits(model)).max(axis=-1, keepdims=True)
    assert (np.abs(logits(packed) - logits(model)) <= largest / 127 * 0.5001).all()


def test_a_head_of_few_classes_stays_float() -> None:
    model = graph(LOOK_UP, PRODUCT, held={"table": TABLE, "weight": np.ascontiguousarray(WEIGHT[:, :4])})
    assert "MatMul" in operators(quantize_language(model))


@pytest.fixture(scope="module")
def pooled() -> bytes:
    return exported_encoder().model


def test_a_whole_encoder_gets_a_fraction_of_its_size_and_close_logits(pooled: bytes) -> None:
    packed = quantize_language(pooled)
    weights = sum(value.numel() * 4 for value in encoder().parameters())
    assert len(pooled) - len(packed) > weights * 0.6
    np.testing.assert_allclose(logits(packed), logits(pooled), atol=0.05)
    assert not {
        name
        for name, values in constants(packed).items()
        if values.ndim == 2 and values.dtype == np.float32 and values.shape[1] > 1
    }


def test_layers_that_read_one_value_quantize_it_once(pooled: bytes) -> None:
    """Query, key and value share their input, so six products of an encoder layer need four quantized inputs."""
    nodes = onnx.ModelProto.FromString(quantize_language(pooled)).graph.node
    kinds = [node.op_type for node in nodes]
    assert kinds.count("MatMulInteger") == 7  # six and the head
    assert kinds.count("DynamicQuantizeLinear") == 5


def test_the_same_model_gives_the_same_bytes(pooled: bytes) -> None:
    assert quantize_language(pooled) == quantize_language(pooled)
