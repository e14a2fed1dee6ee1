"""Removing the quantisers of activations from an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.artefact import open_artefact
from models.errors import ArtefactError

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from models.backends.onnx_file import read_onnx, take_quantisers_out  # noqa: E402


def quantised() -> Any:
    """Return a model of y = dequantise(quantise(x)) @ dequantise(int8 weights) + bias.

    `rounded`, the first factor, is an output as well.
    """
    constants = {
        "scale": np.float32(0.5),
        "zero": np.int8(3),
        "weights": np.array([[2, -4], [6, 8]], np.int8),
        "scales": np.array([0.25, 0.5], np.float32),
        "raw": np.array([[0.2, 0.7]], np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["weights", "scales"], ["matrix"], axis=1),
        helper.make_node("MatMul", ["rounded", "matrix"], ["product"]),
        helper.make_node("QuantizeLinear", ["raw", "scale", "zero"], ["raw_q"]),
        helper.make_node("DequantizeLinear", ["raw_q", "scale", "zero"], ["bias"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["posts", 2])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["posts", 2]) for name in ("y", "rounded")],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_activations_pass_and_weights_stay_rounded() -> None:
    model = quantised()
    take_quantisers_out(model)
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["Identity", "DequantizeLinear", "MatMul", "QuantizeLinear", "DequantizeLinear", "Add"]
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    product, passed = session.run(["y", "rounded"], {"x": np.array([[0.3, 0.7]], np.float32)})
    assert passed.tolist() == [[pytest.approx(0.3), pytest.approx(0.7)]]
    expected = np.array([[0.3, 0.7]]) @ [[0.5, -2.0], [1.5, 4.0]] + [[0.0, 0.5]]
    assert product == pytest.approx(expected)


def test_the_shipped_file_has_no_quantised_activation_left() -> None:
    model = read_onnx(open_artefact().model)
    take_quantisers_out(model)
    assert "QuantizeLinear" not in {node.op_type for node in model.graph.node}


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(ArtefactError, match="not an ONNX file"):
        read_onnx(tmp_path / "model.onnx")
    with pytest.raises(ArtefactError, match="none"):
        read_onnx(tmp_path / "none.onnx")
