from pathlib import Path

import pytest

from models.backends import Precision
from models.errors import ArtefactError
from tests.models.backends.conftest import SmallModel

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from models.backends.onnx import OnnxBackend  # noqa: E402


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["int8", "f32"])
def test_it_computes_what_the_file_says(tmp_path: Path, precision: Precision, threads: int) -> None:
    model = SmallModel.write(tmp_path / "model.onnx")
    SmallModel.check(OnnxBackend(model, precision=precision, threads=threads), rounded=precision == "int8")


@pytest.mark.parametrize("precision", ["int8", "f32"])
def test_a_model_of_another_length_is_refused(tmp_path: Path, precision: Precision) -> None:
    model = SmallModel.write(tmp_path / "model.onnx", positions=64)
    with pytest.raises(ArtefactError, match=r"model\.onnx reads 64 tokens"):
        OnnxBackend(model, precision=precision, threads=1)


def test_an_operation_that_the_runtime_lacks_is_an_error(tmp_path: Path) -> None:
    path = SmallModel.write(tmp_path / "model.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Scatterbrain"
    onnx.save(model, path)
    with pytest.raises(ArtefactError, match=r"model\.onnx is not a model that ONNX Runtime can read: .*Scatterbrain"):
        OnnxBackend(path, threads=1)
