"""The graphs compute what torch computes, and int8 is really int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from autoglm_compression.models.calibrate import collect, ranges
from autoglm_compression.models.chain import Array, Chain, Dense, fold_input
from autoglm_compression.models.dynamic_graph import dynamic_model
from autoglm_compression.models.float_graph import float_model
from autoglm_compression.models.numerics import NumericsMismatch, check_numerics, model_logits, torch_logits
from autoglm_compression.models.quantize import ActivationRange, quantize_weight
from autoglm_compression.models.session import open_session
from autoglm_compression.models.static_graph import static_model
from support.chains import small_cnn, tensors_of

CNN = small_cnn(16)
TENSORS = tensors_of(CNN)
LAYERS = tuple(layer.name for layer in CNN.layers)
INPUTS = np.random.default_rng(1).integers(0, 17, (300, 1, 8, 8)).astype(np.float32)
EXPECTED = torch_logits(CNN, TENSORS, INPUTS)


def logits(model: onnx.ModelProto) -> Array:
    onnx.checker.check_model(model, full_check=True)
    return model_logits(open_session(model.SerializeToString()), INPUTS)


def static() -> onnx.ModelProto:
    watched = float_model(CNN, TENSORS, watch=LAYERS).SerializeToString()
    return static_model(CNN, TENSORS, ranges(collect(watched, INPUTS, LAYERS), LAYERS))


def optimized(model: onnx.ModelProto, folder: Path) -> list[str]:
    """Kinds of the nodes that the runtime really executes."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_the_float_graph_is_the_torch_network() -> None:
    model = float_model(CNN, TENSORS)
    np.testing.assert_allclose(logits(model), EXPECTED, rtol=1e-4, atol=1e-4)
    assert check_numerics(model.SerializeToString(), INPUTS, EXPECTED) < 1e-3


def test_another_network_is_caught() -> None:
    wrong = {**TENSORS, "head.bias": TENSORS["head.bias"] + np.float32(1)}
    with pytest.raises(NumericsMismatch) as caught:
        check_numerics(float_model(CNN, wrong).SerializeToString(), INPUTS, EXPECTED)
    assert caught.value.data["max_abs"] == pytest.approx(1, abs=1e-3)
    wrong["head.bias"] = wrong["head.bias"] * np.float32(np.nan)
    with pytest.raises(NumericsMismatch):
        check_numerics(float_model(CNN, wrong).SerializeToString(), INPUTS, EXPECTED)


@pytest.mark.parametrize("form", ["dynamic", "static"])
def test_int8_stays_near_and_is_a_quarter_of_the_size(form: str) -> None:
    model = static() if form == "static" else dynamic_model(CNN, TENSORS, quantized=LAYERS)
    spread = EXPECTED.std()
    assert np.abs(logits(model) - EXPECTED).mean() < 0.05 * spread
    assert model.ByteSize() < 0.4 * float_model(CNN, TENSORS).ByteSize()


def test_static_convolutions_run_on_integers(tmp_path: Path) -> None:
    kinds = optimized(static(), tmp_path)
    assert kinds.count("QLinearConv") == 3
    assert "QGemm" in kinds
    assert "Conv" not in kinds
    assert "DequantizeLinear" not in kinds


def test_dynamic_weights_are_unpacked_once_and_not_on_every_run(tmp_path: Path) -> None:
    kinds = optimized(dynamic_model(CNN, TENSORS, quantized=LAYERS), tmp_path)
    assert "Cast" not in kinds
    assert "Mul" not in kinds
    assert "DynamicQuantizeMatMul" in kinds


def test_layers_that_are_not_named_stay_float() -> None:
    near = dynamic_model(CNN, TENSORS, quantized=())
    np.testing.assert_allclose(logits(near), EXPECTED, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(logits(static_model(CNN, TENSORS, {})), EXPECTED, rtol=1e-4, atol=1e-4)


def test_some_int8_layers_between_float_ones() -> None:
    found = {"conv2": ActivationRange(0, 60), "head": ActivationRange(0, 120)}
    assert np.abs(logits(static_model(CNN, TENSORS, found)) - EXPECTED).mean() < 0.1 * EXPECTED.std()


def test_normalisation_folds_into_the_first_layer() -> None:
    chain = Chain((3,), (Dense("hidden", 3, 8), Dense("head", 8, 2)))
    tensors, mean = tensors_of(chain), np.array([200, 0.5, -3], np.float32)
    deviation = np.array([50, 0.1, 7], np.float32)
    raw = (np.random.default_rng(0).normal(size=(20, 3)) * deviation + mean).astype(np.float32)
    folded = fold_input(chain, tensors, mean=mean, deviation=deviation)
    model = float_model(chain, folded, fill=mean).SerializeToString()
    expected = torch_logits(chain, tensors, (raw - mean) / deviation)
    np.testing.assert_allclose(model_logits(open_session(model), raw), expected, atol=1e-4)
    raw[4, 1] = np.nan
    imputed = raw.copy()
    imputed[4, 1] = mean[1]
    session = open_session(model)
    np.testing.assert_array_equal(model_logits(session, raw), model_logits(session, imputed))


def test_weights_keep_within_seven_bits_and_half_a_step() -> None:
    weight = np.random.default_rng(0).normal(size=(6, 4, 3, 3)).astype(np.float32)
    weight[2] = 0
    packed = quantize_weight(weight)
    assert np.abs(packed.values.astype(int)).max() <= 64
    error = np.abs(packed.values * packed.scales.reshape(-1, 1, 1, 1) - weight)
    assert (error <= 0.501 * packed.scales.reshape(-1, 1, 1, 1)).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 4.0), (-1.0, 3.0), (-2.0, 0.0), (0.0, 0.0)])
def test_zero_is_exact_in_every_range(low: float, high: float) -> None:
    found = ActivationRange(low, high)
    levels = np.arange(256, dtype=np.float64) - int(found.zero_point)
    assert 0.0 in levels * float(found.scale)
    assert (levels * float(found.scale)).max() >= high - 1e-6 - float(found.scale)
