"""A lake in a folder: files appear whole or not at all, and foreign files are left alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from streams.errors import SettingsError, Unavailable
from streams.sinks.lake.local_storage import LocalStorage

HOUR = "posts/run=live/date=2026-06-20/hour=09"
CONTENT = pa.py_buffer(b"content")


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    storage = LocalStorage(tmp_path / "lake")
    storage.prepare()
    return storage


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_folder_is_created_only_for_writing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "some" / "lake")
    with pytest.raises(SettingsError, match="there is no lake"):
        storage.require()
    assert list(tmp_path.iterdir()) == []
    storage.prepare()
    storage.require()
    assert (tmp_path / "some" / "lake" / "posts").is_dir()


@pytest.mark.parametrize(("folders", "is_lake"), [([], True), (["spikes", "notes"], True), (["notes"], False)])
def test_an_empty_folder_is_a_lake_and_a_foreign_one_is_not(tmp_path: Path, folders: list[str], is_lake: bool) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    storage = LocalStorage(tmp_path)
    if is_lake:
        storage.require()
    else:
        with pytest.raises(SettingsError, match="TAGPULSE_LAKE__PATH: there is no lake in"):
            storage.require()


def test_a_relative_folder_stays_the_same_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = LocalStorage(Path("lake"))
    monkeypatch.chdir("/")
    storage.write(f"{HOUR}/a.parquet", CONTENT)
    assert names(tmp_path) == [f"lake/{HOUR}/a.parquet"]
    assert storage.place == "lake", "errors show it as it was set"


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "rename")])
def test_a_failed_write_leaves_only_the_old_file(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, owner: object, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    storage.write(f"{HOUR}/a.parquet", CONTENT)
    with monkeypatch.context() as patch:
        patch.setattr(owner, call, full)
        for name in ("a", "b"):
            with pytest.raises(Unavailable, match=r"the lake .* \(TAGPULSE_LAKE__PATH\) cannot be written: .*No space"):
                storage.write(f"{HOUR}/{name}.parquet", pa.py_buffer(b"other"))
    assert names(storage.path) == [f"{HOUR}/a.parquet"]
    assert (storage.path / HOUR / "a.parquet").read_bytes() == b"content"


def test_hidden_files_and_foreign_folders_are_not_listed(storage: LocalStorage) -> None:
    storage.write(f"{HOUR}/a.parquet", CONTENT)
    for name in (f"{HOUR}/.hidden", f"{HOUR}/notes/b.parquet", "posts/.x=y/c.parquet", "posts/x=y/d.parquet"):
        (storage.path / name).parent.mkdir(parents=True, exist_ok=True)
        (storage.path / name).touch()
    os.mkfifo(storage.path / HOUR / "pipe.parquet")
    assert storage.files("posts") == [f"{HOUR}/a.parquet", "posts/x=y/d.parquet"]


def test_only_old_parts_of_a_crashed_writer_are_cleaned_up(storage: LocalStorage) -> None:
    folder = storage.path / HOUR
    folder.mkdir(parents=True)
    long_ago = time.time() - 7_200
    parts = {
        "old": f".{'0' * 32}.part",
        "young": f".{'1' * 32}.part",
        "foreign": ".theirs.part",
        "link": f".{'2' * 32}.part",
    }
    for name in ("old", "young", "foreign"):
        (folder / parts[name]).touch()
        if name != "young":
            os.utime(folder / parts[name], (long_ago, long_ago))
    (folder / parts["link"]).symlink_to("nowhere")
    os.utime(folder / parts["link"], (long_ago, long_ago), follow_symlinks=False)
    storage.prepare()
    assert {path.name for path in folder.iterdir()} == {parts[name] for name in ("young", "foreign", "link")}


def test_removing_an_hour_removes_its_empty_day(storage: LocalStorage) -> None:
    for hour in ("09", "10"):
        storage.write(f"posts/run=live/date=2026-06-20/hour={hour}/a.parquet", CONTENT)
    storage.delete_folder(HOUR)
    day = storage.path / HOUR.rpartition("/")[0]
    assert [path.name for path in day.iterdir()] == ["hour=10"]
    storage.delete_folder("posts/run=live/date=2026-06-20/hour=10")
    assert not day.exists()
    storage.delete_folder("posts/run=live")
    assert (storage.path / "posts").is_dir(), "the lake is still a lake"


def test_errors_of_the_disk_are_waited_for_and_a_missing_file_is_not(storage: LocalStorage) -> None:
    with pytest.raises(Unavailable, match=r"the lake .* cannot be read: .*denied"), storage.faults("read"):
        raise PermissionError("denied")
    with pytest.raises(FileNotFoundError), storage.faults("read"):
        raise FileNotFoundError
    with pytest.raises(ValueError, match="no fault of the disk"), storage.faults("read"):
        raise ValueError("no fault of the disk")


def test_a_file_in_the_place_of_the_folder_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "lake").touch()
    with pytest.raises(Unavailable, match="cannot be used"):
        LocalStorage(tmp_path / "lake").prepare()
