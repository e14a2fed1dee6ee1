"""Compaction, retention and erasure, step by step and from the command line."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from streams.contracts import Deletion
from streams.sinks.lake.files import describe
from streams.sinks.lake.folders import DELETIONS, POSTS
from streams.sinks.lake.local_storage import LocalStorage
from tests.helpers.lake import Crash, crash_at, expected_rows, squeeze, stored, view_rows, write
from tests.helpers.rows import START, at, enriched, row


async def test_small_files_become_one_without_deleted_or_superseded_rows(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, enriched("b"))])
    await write(tmp_path, [row(2, enriched("a", text="edited", edited_at=START))])
    await write(tmp_path, [row(3, Deletion(source="test", id="b", deleted_at=START)), row(4, enriched("c"))])
    (done,) = squeeze(tmp_path)
    assert (done.files, done.files_after, done.rows, done.rows_after) == (3, 1, 4, 2)
    assert stored(tmp_path) == [(0, 2, "a"), (0, 4, "c")]
    assert stored(tmp_path, DELETIONS) == [(0, 3, "b")], "the deletion stays"
    await write(tmp_path, [row(1, enriched("b"))])  # read again after a crash
    assert {key[1] for key in view_rows(tmp_path)} == {"a", "c"}


async def test_an_obsolete_file_is_recognised_after_a_crash_unlike_a_new_file_of_the_same_name(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a"))])
    await write(tmp_path, [row(1, enriched("b"))])
    first, second = sorted((tmp_path / POSTS).rglob("*.parquet"))
    with pytest.raises(Crash), crash_at(4):  # two syncs, the rename and one removal
        squeeze(tmp_path)
    assert (first.exists(), second.exists()) == (False, True)
    (new,) = (tmp_path / POSTS).rglob("*.r*.parquet")
    assert set(describe(LocalStorage(tmp_path), str(new.relative_to(tmp_path)))[1]) == {first.name, second.name}
    # the topic is recreated: another post has the offset, and so the file name, of a removed file
    await write(tmp_path, [row(0, enriched("x"))])
    assert first.exists()
    squeeze(tmp_path)
    assert not second.exists()
    assert {key[1] for key in view_rows(tmp_path)} == {"a", "b", "x"}


async def test_a_later_deletion_does_not_restore_an_older_version(tmp_path: Path) -> None:
    """The older of two versions must not outlive the newer one."""
    late = START + timedelta(minutes=30)
    versions = [
        enriched("a", minutes=20),  # created after the edit, as clocks may differ
        enriched("a", text="edit", edited_at=START + timedelta(minutes=10)),
    ]
    await write(tmp_path, [row(offset, version) for offset, version in enumerate(versions)])
    squeeze(tmp_path)
    gone = Deletion(source="test", id="a", deleted_at=START + timedelta(minutes=5))
    await write(tmp_path, [row(2, gone)])
    assert view_rows(tmp_path) == expected_rows([*versions, gone])
    await write(tmp_path, [row(3, Deletion(source="test", id="a", deleted_at=late))])
    assert view_rows(tmp_path) == {}


async def test_writers_and_readers_during_a_compaction_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    rows = [row(offset, enriched(f"p{offset}")) for offset in range(60)]
    stop = threading.Event()

    def keep_compacting() -> None:
        while not stop.is_set():
            squeeze(tmp_path)

    compacting = threading.Thread(target=keep_compacting)
    compacting.start()
    try:
        for first in range(0, 60, 4):
            await asyncio.to_thread(asyncio.run, write(tmp_path, rows[first : first + 4]))
            await asyncio.to_thread(asyncio.run, write(tmp_path, rows[max(0, first - 6) : first + 4]))
            assert len(view_rows(tmp_path)) == first + 4
    finally:
        stop.set()
        compacting.join()
    squeeze(tmp_path)
    assert [offset for _, offset, _ in stored(tmp_path)] == list(range(60))


async def test_a_folder_of_a_longer_period_is_compacted_into_files_that_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.sinks.lake.compact._MAX_FILE_ROWS", 10)
    for offset in range(0, 24, 4):
        await write(tmp_path, [row(n, at(START - timedelta(days=30), f"p{n}")) for n in range(offset, offset + 4)])
    (done,) = squeeze(tmp_path)
    assert (done.files, done.files_after, done.rows_after) == (6, 3, 24)
    assert squeeze(tmp_path) == []
    assert [offset for _, offset, _ in stored(tmp_path)] == list(range(24))
