"""Each operation agrees with the ONNX reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from models.backends.torch_graph import Program  # noqa: E402
from models.backends.torch_ops import OPERATIONS  # noqa: E402

CPU = torch.device("cpu")
X = np.array(
    [[[0.5, -1.5, 2.0, 0.25], [1.0, 3.0, -0.75, 0.1]], [[2.5, 1.25, 0.5, -2.0], [0.0, -0.5, 4.0, 1.5]]], np.float32
)
FOUR = np.array([0.5, 2.0, -1.0, 1.5], np.float32)
MATRIX = np.arange(8, dtype=np.float32).reshape(4, 2) / 4


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((kind, [X], {}) for kind in ("Abs", "Cos", "Erf", "Exp", "Floor", "Identity", "Neg", "Reciprocal", "Relu")),
    *((kind, [X], {}) for kind in ("Shape", "Sigmoid", "Sin", "Softmax", "Tanh", "Transpose")),
    *((kind, [X, FOUR], {}) for kind in ("Add", "Div", "Equal", "Greater", "Less", "Max", "Min", "Mul", "Sub")),
    ("Log", [np.abs(X) + 1], {}),
    ("Sqrt", [np.abs(X)], {}),
    ("Pow", [np.abs(X), np.float32(3)], {}),
    ("Div", [ints(-7, 7), ints(2, 2)], {}),
    ("Not", [X > 0], {}),
    ("And", [X > 0, FOUR > 1], {}),
    ("Or", [X > 0, FOUR > 1], {}),
    ("Where", [X > 0, X, FOUR], {}),
    ("Clip", [X, np.float32(-1), np.float32(1)], {}),
    ("Clip", [X, np.float32(-1)], {}),
    ("Clip", [X], {}),
    ("Cast", [X], {"to": TensorProto.INT64}),
    ("Concat", [X, X + 1], {"axis": -1}),
    ("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(np.array([7], np.float32))}),
    ("CumSum", [X, np.int64(1)], {}),
    ("CumSum", [X, np.int64(-1)], {"exclusive": 1, "reverse": 1}),
    ("Expand", [FOUR, ints(2, 2, 1)], {}),
    ("Flatten", [X], {}),
    ("Flatten", [X], {"axis": 0}),
    ("Flatten", [X], {"axis": 2}),
    ("Flatten", [X], {"axis": -1}),
    ("Gather", [X, ints(1, -2)], {"axis": 1}),
    ("Gather", [X, np.int64(1)], {"axis": 0}),
    ("Gather", [X, ints(0, -1, 1, -2).reshape(2, 2)], {"axis": -1}),
    ("Gelu", [X], {}),
    ("Gelu", [X], {"approximate": "tanh"}),
    ("Gemm", [MATRIX, X[0].T.copy()], {"transA": 1}),
    ("Gemm", [X[0], MATRIX.T.copy(), np.array([1, 2], np.float32)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("LayerNormalization", [X, FOUR, FOUR], {"epsilon": 1e-6}),
    ("LayerNormalization", [X, FOUR], {"axis": 2}),
    ("LayerNormalization", [X, FOUR * MATRIX.T, MATRIX.T.copy()], {"axis": 1}),
    ("MatMul", [X, MATRIX], {}),
    ("QuantizeLinear", [X, np.float32(0.01)], {}),
    ("QuantizeLinear", [X, FOUR**2, np.array([0, 3, 100, 255], np.uint8)], {"axis": 2}),
    ("QuantizeLinear", [X, np.float32(0.3), np.int8(4)], {}),
    ("DequantizeLinear", [(X * 8).astype(np.int8), FOUR, np.array([1, 2, 3, 4], np.int8)], {"axis": -1}),
    ("DequantizeLinear", [(X * 8).astype(np.int8), np.array([0.5, 2], np.float32)], {"axis": 0}),
    ("Range", [np.int64(2), np.int64(9), np.int64(3)], {}),
    ("ReduceL2", [X, ints(-1)], {"keepdims": 1}),
    ("ReduceMax", [X, ints(1)], {"keepdims": 0}),
    ("ReduceMean", [X, ints(1, 2)], {"keepdims": 0}),
    ("ReduceMin", [X, ints(0)], {}),
    ("ReduceSum", [X, ints(1)], {"keepdims": 0}),
    ("ReduceSum", [X], {}),
    ("ReduceSum", [X], {"noop_with_empty_axes": 1}),
    ("Reshape", [X, ints(0, -1)], {}),
    ("Reshape", [X[:0], ints(4, 0)], {"allowzero": 1}),
    ("Shape", [X], {"start": -2}),
    ("Slice", [X, ints(1), ints(2**62), ints(2)], {}),
    ("Slice", [X, ints(0, 1), ints(1, 2)], {}),
    ("Softmax", [X], {"axis": 1}),
    ("Slice", [X, ints(0, -3), ints(2, -1), ints(0, 2), ints(1, 2)], {}),
    ("Split", [X, ints(1, 3)], {"axis": 2}),
    ("Split", [X[..., :3]], {"axis": 2, "num_outputs": 2}),
    ("Squeeze", [X[:1], ints(0)], {}),
    ("Squeeze", [X[:1]], {}),
    ("Transpose", [X], {"perm": [2, 0, 1]}),
    ("Unsqueeze", [X, ints(0, -1)], {}),
]


def model_of(kind: str, inputs: list[Any], attributes: dict[str, Any]) -> Any:
    names = [f"input_{place}" for place in range(len(inputs))]
    outputs = ["output", "second"] if kind == "Split" else ["output"]
    graph = helper.make_graph(
        [helper.make_node(kind, names, outputs, **attributes)],
        kind,
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in zip(names, map(np.asarray, inputs), strict=True)
        ],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


# Non-constant QuantizeLinear nodes are removed by Program, so there is nothing to compare.
TESTED = [(*case, constant) for case in CASES for constant in (False, True) if constant or case[0] != "QuantizeLinear"]


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "constant"),
    TESTED,
    ids=[f"{kind}-{'constant' if constant else 'given'}" for kind, _, _, constant in TESTED],
)
def test_operations(kind: str, inputs: list[Any], attributes: dict[str, Any], constant: bool, tmp_path: Path) -> None:
    model = model_of(kind, inputs, attributes)
    given = {f"input_{place}": np.asarray(value) for place, value in enumerate(inputs)}
    expected = ReferenceEvaluator(model).run(None, given)
    if constant:
        model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in given.items())
        del model.graph.input[:]
    onnx.save(model, tmp_path / "model.onnx")
    program = Program(tmp_path / "model.onnx", CPU, half=False)
    results = program.run({} if constant else {name: torch.tensor(value) for name, value in given.items()})
    for result, wanted in zip(results, expected, strict=True):
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_every_operation_is_tested() -> None:
    assert set(OPERATIONS) - {case[0] for case in CASES} == {"Constant"}
