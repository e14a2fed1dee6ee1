"""Every back end rejects a file that is not a model, with the same message."""

from pathlib import Path

import pytest

from models.backends import Runtime
from models.backends.choice import PACKAGES, open_backend
from models.errors import ArtefactError


@pytest.mark.parametrize("name", list(PACKAGES))
def test_a_file_that_is_not_a_model_is_refused(name: str, tmp_path: Path) -> None:
    for package in PACKAGES[name]:
        pytest.importorskip(package)
    model = tmp_path / "model.onnx"
    model.write_bytes(b"\xff" * 100)
    with pytest.raises(ArtefactError, match=r"model\.onnx is not"):
        open_backend(model, Runtime(name, "f32", ""), threads=1)
