"""What every storage of a lake does, in a folder and in an object store."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from streams.errors import SettingsError
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.storage import Storage, no_lake

ONE, TWO = "posts/run=live/date=2026-06-20/hour=09/one.parquet", "posts/run=live/date=2026-06-20/hour=10/two.parquet"


@pytest.fixture
def storage(lake: Path | str) -> Storage:
    storage = open_storage(lake / "new" if isinstance(lake, Path) else lake)
    storage.prepare()
    return storage


def write(storage: Storage, name: str, content: bytes) -> None:
    storage.write(name, pa.py_buffer(content))


def read(storage: Storage, name: str) -> bytes:
    with storage.read(name) as file:
        return bytes(file.read())


def test_files_are_written_listed_measured_and_read(storage: Storage) -> None:
    storage.require()
    assert storage.files("posts") == storage.files("") == []
    write(storage, TWO, b"second")
    write(storage, ONE, b"")
    assert storage.files("posts") == storage.files("posts/run=live") == [ONE, TWO]
    assert storage.files("posts/run=live/date=2026-06-20/hour=10") == [TWO]
    assert storage.files("deletions") == []
    assert storage.sizes([TWO, ONE, "posts/none.parquet"]) == [6, 0, 0]
    assert (read(storage, ONE), read(storage, TWO)) == (b"", b"second")
    write(storage, TWO, b"again")
    assert read(storage, TWO) == b"again"


def test_a_path_in_the_file_system_is_below_the_root(storage: Storage) -> None:
    write(storage, ONE, b"content")
    with storage.filesystem.open_input_file(storage.full(ONE)) as file:
        assert file.read() == b"content"


def test_files_and_folders_are_removed_whether_they_exist_or_not(storage: Storage) -> None:
    for name in (ONE, TWO):
        write(storage, name, b"content")
    for _ in range(2):
        storage.delete(ONE)
        assert storage.files("posts") == [TWO]
    for _ in range(2):
        storage.delete_folder("posts/run=live")
        assert storage.files("posts") == []
    storage.require()


def test_a_missing_file_is_not_an_outage(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read(ONE)


def test_a_place_without_a_lake_is_a_wrong_setting() -> None:
    error = no_lake("/nowhere")
    assert isinstance(error, SettingsError)
    assert str(error).startswith("TAGPULSE_LAKE__PATH: there is no lake in /nowhere: set it to the folder or address")
