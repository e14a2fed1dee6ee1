from pathlib import Path

import numpy as np
import pytest

from models.errors import ArtefactError
from models.text import MAX_TOKENS
from tests.models.backends.conftest import SmallModel

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from models.backends.torch_graph import Program  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("half", [False, True])
def test_a_whole_graph_is_computed_again_and_again(half: bool, tmp_path: Path) -> None:
    program = Program(SmallModel.write(tmp_path / "model.onnx"), CPU, half=half)
    assert program.positions == MAX_TOKENS
    assert program.outputs == ["sentiment", "vector"]
    for batch in (*SmallModel.PADDED, *SmallModel.PADDED):
        results = program.run({"ids": torch.from_numpy(batch.ids), "mask": torch.from_numpy(batch.mask)})
        expected = SmallModel.answers(batch, rounded=False)
        for name, result in zip(program.outputs, results, strict=True):
            np.testing.assert_allclose(result.numpy(), expected[name], atol=5e-3 if half else 1e-5)


def test_constants_in_nodes_are_read(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array([2, 3], np.float32))),
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "one"], ["y"]),
    ]
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph(nodes, "constants", shape[:1], shape[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "model.onnx")
    (y,) = Program(tmp_path / "model.onnx", CPU, half=False).run({"x": torch.tensor([1.0, 2.0])})
    assert y.tolist() == [3, 7]


@pytest.mark.parametrize(("domain", "opset"), [("com.example", 17), ("", 17), ("", 9)])
def test_unsupported_operations_are_named(domain: str, opset: int, tmp_path: Path) -> None:
    kind = "Relu" if domain or opset < 13 else "NonMaxSuppression"
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node(kind, ["x"], ["y"], domain=domain)], "unknown", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), tmp_path / "model.onnx")
    with pytest.raises(ArtefactError, match=rf"does not support (operations of version 9|{kind}): choose openvino"):
        Program(tmp_path / "model.onnx", CPU, half=False)
