from __future__ import annotations

from pathlib import Path

import pytest

from streams.cli.trial import trial_folder
from streams.errors import BadInput, Unavailable


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_temporary_folder_is_removed(temporary: Path) -> None:
    with trial_folder(None, "demo") as folder:
        assert folder.parent == temporary
        assert folder.name.startswith("tagpulse-demo-")
        (folder / "log").touch()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("error", "kept"), [(Unavailable("gone"), 1), (KeyboardInterrupt(), 0), (ValueError(), 0)])
def test_a_temporary_folder_is_kept_only_for_the_logs_of_a_failure(
    error: BaseException, kept: int, temporary: Path
) -> None:
    with pytest.raises(type(error)), trial_folder(None, "up"):
        raise error
    assert len(list(temporary.iterdir())) == kept


def test_a_given_folder_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with trial_folder(Path("new/folder"), "demo") as folder:
        assert folder == tmp_path / "new" / "folder"
        (folder / "lake").mkdir()
    assert (tmp_path / "new" / "folder" / "lake").is_dir()
    with pytest.raises(BadInput, match="the folder is not empty"), trial_folder(folder, "demo"):
        pass


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(BadInput, match=f"--keep {tmp_path}/file: cannot be used"),
        trial_folder(tmp_path / "file", "up"),
    ):
        pass
