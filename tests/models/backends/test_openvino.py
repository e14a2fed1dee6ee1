import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from models.backends import Precision, openvino
from models.backends.openvino import CORE, OpenVinoBackend, multiply_in_bf16, settings, take_quantisers_out
from models.errors import ArtefactError
from tests.models.backends.conftest import SmallModel


def kinds(graph: ov.Model) -> list[str]:
    return [node.get_type_name() for node in graph.get_ops()]


def computed(graph: ov.Model, value: Any) -> Any:
    compiled = CORE.compile_model(graph, "CPU", settings(1, "f32"))
    return compiled([np.asarray(value, np.float32)])[0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["int8", "f32"])
def test_it_computes_what_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision, threads: int
) -> None:
    monkeypatch.setattr(openvino, "has_bf16_tiles", lambda: False)
    model = SmallModel.write(tmp_path / "model.onnx")
    SmallModel.check(OpenVinoBackend(model, precision=precision, threads=threads), rounded=precision == "int8")


def test_nobody_is_told_that_openvino_is_used(tmp_path: Path) -> None:
    code = "from models.backends.choice import open_backend; import openvino, sys; print(sys.modules['openvino_telemetry'])"
    outside_ci = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=outside_ci | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
    assert not list(tmp_path.iterdir()), "OpenVINO keeps the number by which it reports there"


def test_a_signal_arrives_after_models_were_closed() -> None:
    code = (
        "import signal; from models.enricher import Enricher; first = Enricher.load(); second = Enricher.load();"
        "del first; del second;"
        "signal.signal(signal.SIGTERM, lambda *_: print('arrived')); signal.raise_signal(signal.SIGTERM)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "arrived\n"), done.stderr


def test_a_model_of_another_length_is_refused(tmp_path: Path) -> None:
    model = SmallModel.write(tmp_path / "model.onnx", positions=64)
    with pytest.raises(ArtefactError, match=r"model\.onnx reads 64 tokens"):
        OpenVinoBackend(model, threads=1)


@pytest.mark.parametrize(
    ("precision", "instructions", "group"), [("int8", "VNNI", 128), ("int8", None, 0), ("f32", "VNNI", 0)]
)
def test_rows_are_quantised_only_where_products_of_integers_are_fast(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, instructions: str | None, group: int
) -> None:
    monkeypatch.setattr(openvino, "int8_instructions", lambda: instructions)
    assert settings(3, precision) == {
        "INFERENCE_NUM_THREADS": 3,
        "NUM_STREAMS": 3,
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
    }


def test_a_file_from_onnx_loses_the_rounding_of_its_activations(tmp_path: Path) -> None:
    graph = CORE.read_model(SmallModel.write(tmp_path / "model.onnx"))
    assert "FakeQuantize" in kinds(graph)
    take_quantisers_out(graph)
    assert "FakeQuantize" not in kinds(graph)
    (product,) = (node for node in graph.get_ops() if node.get_type_name() == "MatMul")
    np.testing.assert_allclose(
        product.input_value(1).get_node().data, SmallModel.INTEGERS * SmallModel.SCALES, rtol=1e-6
    )


def test_a_file_of_openvino_loses_the_rounding_of_its_activations() -> None:
    value = ops.parameter([2], ov.Type.f32)
    rounded = ops.fake_quantize(value, *(np.float32(limit) for limit in (0, 3, 0, 3)), 4)
    graph = ov.Model([ops.add(rounded, np.float32(1))], [value])
    assert computed(graph, [0.4, 2.6]).tolist() == [1, 4]
    take_quantisers_out(graph)
    assert "FakeQuantize" not in kinds(graph)
    assert computed(graph, [0.4, 2.6]) == pytest.approx([1.4, 3.6])


@pytest.mark.parametrize("zero", [0, 4])
def test_products_with_integers_are_computed_in_bf16(zero: int) -> None:
    integers = np.array([[6, -8], [4, 16]], np.int8)
    weight = ops.convert(ops.constant(integers), "f32")
    if zero:
        weight = ops.subtract(weight, np.float32(zero))
    value = ops.parameter([1, 2], ov.Type.f32)
    product = ops.matmul(value, ops.multiply(weight, np.float32(0.5)), transpose_a=False, transpose_b=False)
    graph = ov.Model([product], [value])
    multiply_in_bf16(graph)
    (node,) = (each for each in graph.get_ops() if each.get_type_name() == "MatMul")
    assert [node.get_input_element_type(index) for index in range(2)] == [ov.Type.bf16] * 2
    assert graph.output(0).get_element_type() == ov.Type.f32
    assert computed(graph, [[3, 0.25]]).tolist() == ([[3, 0.25]] @ ((integers - zero) * 0.5)).tolist()


def test_other_products_stay_in_full_precision() -> None:
    one, other = ops.parameter([1, 2], ov.Type.f32), ops.parameter([2, 2], ov.Type.f32)
    floats = ops.constant(np.array([[0.1, 0.2], [0.3, 0.4]], np.float32))
    products = [ops.matmul(one, each, transpose_a=False, transpose_b=False) for each in (floats, other)]
    graph = ov.Model(products, [one, other])
    before = kinds(graph)
    multiply_in_bf16(graph)
    assert kinds(graph) == before
    assert all(
        output.get_node().input_value(0).get_node().get_input_element_type(0) == ov.Type.f32 for output in graph.outputs
    )
