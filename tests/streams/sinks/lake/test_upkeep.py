"""Compaction, retention and erasure, step by step and from the command line."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from streams.contracts import Deletion, EnrichedPost
from streams.settings import LakeSettings
from streams.sinks.base import Author, Erasure, Forgotten, PostKey
from streams.sinks.lake.files import describe, every_file
from streams.sinks.lake.folders import DELETIONS, POSTS
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.prune import prune
from tests.helpers.brokers import own_settings
from tests.helpers.lake import expected_rows, view_rows
from tests.helpers.processes import run_tagpulse
from tests.streams.sinks.lake.test_parquet import START, Crash, crash_at, enriched, row, squeeze, stored, write


def by(author: str, message: EnrichedPost) -> EnrichedPost:
    return msgspec.structs.replace(message, post=msgspec.structs.replace(message.post, author=author))


async def _sink(lake: Path, run: str = "live") -> ParquetSink:
    sink = ParquetSink(LakeSettings(path=lake), run)
    await sink.open()
    return sink


async def _store(lake: Path, run: str, *messages: EnrichedPost | Deletion) -> None:
    sink = await _sink(lake, run)
    await sink.write([row(offset, message) for offset, message in enumerate(messages)])
    await sink.flush()


async def test_small_files_become_one_without_what_was_deleted_or_edited_since(tmp_path: Path) -> None:
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


async def test_forgotten_posts_are_gone_from_every_run_and_do_not_come_back(tmp_path: Path) -> None:
    posts = [by("anna", enriched("a")), by("ben", enriched("b")), by("anna", enriched("c", minutes=70))]
    for run in ("live", "again"):
        await _store(tmp_path, run, *posts)
    sink = await _sink(tmp_path)
    removed = await sink.forget(
        Erasure(authors=frozenset({Author("test", "anna")}), posts=frozenset({PostKey("test", "never-seen")}))
    )
    assert removed == Forgotten([PostKey("test", "a"), PostKey("test", "c")], [])
    assert [post_id for _, _, post_id in stored(tmp_path)] == ["b", "b"]
    assert b"anna" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*.parquet"))
    late = enriched("never-seen")
    for run in ("live", "again", "later"):  # the records are read again, also by a later replay
        await _store(tmp_path, run, *posts, late)
        assert {key[1] for key in view_rows(tmp_path, run)} == {"b"}
    squeeze(tmp_path)
    assert {post_id for _, _, post_id in stored(tmp_path)} == {"b"}
    assert await sink.runs() == {"live": 1, "again": 1, "later": 1}


@pytest.mark.parametrize("step", range(8))
async def test_a_crash_during_an_erasure_shows_nothing_again(tmp_path: Path, step: int) -> None:
    await write(tmp_path, [row(0, by("anna", enriched("a"))), row(1, enriched("b"))])
    wanted, sink = Erasure(posts=frozenset({PostKey("test", "a")})), await _sink(tmp_path)
    try:
        with crash_at(step):
            await sink.forget(wanted)
    except Crash:
        assert "b" in {key[1] for key in view_rows(tmp_path)}
        await sink.forget(wanted)
    assert {key[1] for key in view_rows(tmp_path)} == {"b"}
    squeeze(tmp_path)
    assert stored(tmp_path) == [(0, 1, "b")]


async def test_a_run_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    for run in ("live", "again"):
        await _store(tmp_path, run, enriched("a"), Deletion(source="test", id="z", deleted_at=START))
    sink = await _sink(tmp_path)
    assert await sink.runs() == {"live": 1, "again": 1}
    assert await sink.drop_run("again") == 1
    assert await sink.drop_run("again") == 0
    assert await sink.runs() == {"live": 1}


async def test_old_days_go_and_their_deletions_a_week_later(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, Deletion(source="test", id="a", deleted_at=START))])
    storage, day = LocalStorage(tmp_path), START.date()
    assert list(prune(storage, days=3, today=day + timedelta(days=3), execute=True)) == []
    (plan,) = prune(storage, days=3, today=day + timedelta(days=4))
    assert (plan.folder, plan.files) == (f"posts/run=live/date={day}", 1)
    assert plan.bytes > 0
    assert len(every_file(storage)) == 2, "a plan changes nothing"
    list(prune(storage, days=3, today=day + timedelta(days=4), execute=True))
    assert [name.partition("/")[0] for name in every_file(storage)] == [DELETIONS]
    list(prune(storage, days=3, today=day + timedelta(days=11), execute=True))
    assert every_file(storage) == []


async def test_each_file_has_a_unique_id(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a"))])
    await write(tmp_path, [row(1, enriched("b"))])
    storage = LocalStorage(tmp_path)
    ids = [describe(storage, name)[0] for name in storage.files(POSTS)]
    assert len({*ids, ""}) == 3


async def test_the_commands_print_the_plan_and_act_only_with_execute(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    lake = tmp_path / "lake"
    for offset in range(3):
        await write(lake, [row(offset, enriched(f"p{offset}"))])
    for extra, files in (((), 3), (("--execute",), 1)):
        done = run_tagpulse("lake", "compact", "--run", "live", *extra, settings=settings)
        assert done.returncode == 0, done.stderr
        assert "3 files become 1" in done.stdout
        assert ("nothing was changed" in done.stdout) == (not extra)
        assert len(list((lake / POSTS).rglob("*.parquet"))) == files
    assert run_tagpulse("lake", "prune", settings=settings).returncode == 78
    done = run_tagpulse("lake", "prune", "--days", "1", "--json", "--execute", settings=settings)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["files"] == 1
    assert view_rows(lake) == {}
    assert run_tagpulse("lake", "compact", "--older-than", "soon", settings=settings).returncode == 2
