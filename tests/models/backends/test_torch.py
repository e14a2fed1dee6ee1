from pathlib import Path

import numpy as np
import pytest

from models.artefact import open_artefact
from models.backends import Padded
from models.errors import ArtefactError
from tests.models.backends.conftest import SmallModel

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

from models.backends.torch import TorchBackend  # noqa: E402


@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_what_the_file_says_without_rounding(tmp_path: Path, threads: int) -> None:
    model = SmallModel.write(tmp_path / "model.onnx")
    SmallModel.check(TorchBackend(model, threads=threads), rounded=False)
    assert torch.get_num_threads() == 1


def test_products_with_the_integers_of_the_file_are_computed_in_half_precision(tmp_path: Path) -> None:
    backend = TorchBackend(SmallModel.write(tmp_path / "model.onnx"), precision="f16", threads=1, device="cpu")
    SmallModel.check(backend, rounded=False, tolerance=5e-3)
    for batch, outputs in zip(SmallModel.PADDED, backend.run(SmallModel.PADDED), strict=True):
        expected = SmallModel.answers(batch, rounded=False)
        assert np.abs(outputs["sentiment"] - expected["sentiment"]).max() > 1e-5
        np.testing.assert_allclose(outputs["vector"], expected["vector"], atol=1e-6)


def test_a_model_of_another_length_is_refused(tmp_path: Path) -> None:
    model = SmallModel.write(tmp_path / "model.onnx", positions=64)
    with pytest.raises(ArtefactError, match=r"model\.onnx reads 64 tokens"):
        TorchBackend(model, threads=1)


def test_half_precision_is_near() -> None:
    model = open_artefact().model
    batch = Padded(np.array([[0, 5, 9, 30, 2, 1, 1, 1]]), np.array([[1, 1, 1, 1, 1, 0, 0, 0]]))
    (half,) = TorchBackend(model, precision="f16", threads=1, device="cpu").run([batch])
    (full,) = TorchBackend(model, precision="f32", threads=1).run([batch])
    for some, others in zip(half.values(), full.values(), strict=True):
        assert some.dtype == np.float32
        assert 0 < np.abs(some - others).max() < 0.1
