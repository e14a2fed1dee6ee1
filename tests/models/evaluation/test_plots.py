import sys
from pathlib import Path

import numpy as np
import pytest

from models.enrichment import ModelInfo
from models.errors import MissingBackendExtra
from models.evaluation import JudgedPosts
from models.evaluation.plots import CALIBRATION_FILE, CONFUSION_FILE, described, write_plots
from tests.helpers.scripted_model import MODEL

JUDGED = JudgedPosts(
    np.array([0, 1, 2, 2]),
    np.array([0, 1, 2, 0]),
    np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0, 0, 1.0], [0.5, 0.2, 0.3]]),
)


def test_draws_both_pictures(tmp_path: Path) -> None:
    paths = write_plots(tmp_path / "new" / "folder", JUDGED, MODEL, "umsab, val")
    assert [path.name for path in paths] == [CALIBRATION_FILE, CONFUSION_FILE]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_the_title_names_the_model_and_its_runtime() -> None:
    assert described(MODEL) == "scripted 1.2.3"
    computed = ModelInfo(name="ours", version="2", runtime="openvino", precision="int8")
    assert described(computed) == "ours 2 openvino int8"


def test_missing_matplotlib_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingBackendExtra, match=r"pip install 'tagpulse\[eval\]'"):
        write_plots(tmp_path, JUDGED, MODEL, "umsab, val")
