"""The Parquet sink stores each row once, despite crashes and repeated records."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.contracts import (
    CampaignScore,
    Deletion,
    EnrichedMessage,
    EnrichedPost,
    Language,
    ModelInfo,
    Post,
    Sentiment,
)
from streams.errors import Unavailable
from streams.runtime.lossless import Record
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake.compact import Compacted, compact
from streams.sinks.lake.folders import DELETIONS, POSTS, Span, parse
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.parquet import ParquetSink
from tests.helpers.lake import expected_rows, view_rows

START = datetime(2026, 6, 20, 9, 30, tzinfo=UTC)


def enriched(post_id: str, *, minutes: int = 0, text: str = "hello", edited_at: datetime | None = None) -> EnrichedPost:
    post = Post(
        source="test", id=post_id, text=text, created_at=START + timedelta(minutes=minutes), edited_at=edited_at
    )
    return EnrichedPost(
        post=post,
        language=Language(code="en", score=0.9),
        sentiment=Sentiment(label="neutral", negative=0.1, neutral=0.8, positive=0.1),
        topics=(),
        campaign=CampaignScore(name=None, score=0.1),
        model=ModelInfo(name="constant", version="1", runtime="openvino", precision="int8"),
        enriched_at=START,
    )


def row(offset: int, message: EnrichedMessage, partition: int = 0) -> Row:
    return Row(Record("posts.enriched", partition, offset, 0, message.key, b"", ()), message)


def stored(lake: Path, kind: str = POSTS) -> list[tuple[int, int, str]]:
    found = []
    for file in (lake / kind).rglob("*.parquet"):
        table = pq.read_table(file, columns=["kafka_partition", "kafka_offset", "id"], partitioning=None)
        found += [(line["kafka_partition"], line["kafka_offset"], line["id"]) for line in table.to_pylist()]
    return sorted(found)


async def write(lake: Path | str, rows: list[Row]) -> int:
    sink = ParquetSink(LakeSettings(path=lake))
    await sink.open()
    await sink.write(rows)
    flushed = await sink.flush()
    await sink.close()
    return flushed.stored


class Crash(BaseException):
    """Simulates the death of the process."""


@contextlib.contextmanager
def crash_at(step: int | None) -> Iterator[None]:
    """Crash at this file operation of the block: before a sync (which is skipped), a rename or a removal."""
    left, counting = step, threading.Lock()

    def dying(call: Any) -> Any:
        def instead(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            with counting:
                if left == 0:
                    raise Crash
                if left is not None:
                    left -= 1
            return call(*arguments, **options)

        return instead

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", dying(lambda _: None))
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        yield


def squeeze(lake: Path) -> list[Compacted]:
    storage = LocalStorage(lake)
    return list(compact(storage, run=None, before=START + timedelta(days=9), execute=True))


_minutes = st.integers(0, 100)
_messages = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, 6), _minutes, st.none() | _minutes),
        st.tuples(st.just("deletion"), st.integers(0, 6), _minutes, st.none()),
    ),
    min_size=1,
    max_size=16,
)
_steps = st.integers(0, 25)


def _rows(drawn: list[tuple[str, int, int, int | None]]) -> list[Row]:
    rows = []
    for offset, (kind, number, minutes, edited) in enumerate(drawn):
        at = START + timedelta(minutes=minutes)
        message: EnrichedMessage
        if kind == "deletion":
            message = Deletion(source="test", id=f"p{number}", deleted_at=at)
        else:
            edited_at = None if edited is None else START + timedelta(minutes=edited)
            message = enriched(f"p{number}", minutes=minutes, text=f"text {offset}", edited_at=edited_at)
        rows.append(row(offset, message, partition=number % 2))
    return rows


@settings(max_examples=20, deadline=None)
@given(
    drawn=_messages,
    actions=st.lists(st.tuples(st.integers(0, 12), st.none() | _steps), min_size=3, max_size=7),
)
@example(  # a compaction that dies at each of its steps in turn
    drawn=[("post", number, 0, None) for number in (0, 2, 4, 6)],
    actions=[(2, None), (2, None), *((0, step) for step in range(5)), (0, None)],
)
@example(  # a flush dies after all of its rows are stored, and the next one has fewer rows
    drawn=[("post", 0, 0, None), ("deletion", 0, 62, None)],
    actions=[(0, None), (2, 13), (1, None)],
)
@example(  # a compaction dies before its last removal, and the next one finds the leftover file
    drawn=[("post", 0, 0, None), ("post", 0, 0, 5), ("post", 2, 0, None), ("deletion", 2, 9, None)],
    actions=[(1, None), (1, None), (2, None), (0, 5), (0, None)],
)
def test_crashes_between_any_two_steps_neither_lose_nor_duplicate_a_post(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, int, int, int | None]],
    actions: list[tuple[int, int | None]],
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    rows, committed, reached = _rows(drawn), 0, 0
    for size, step in [*actions, (len(rows), None)]:
        try:
            with crash_at(step):
                if size:
                    asyncio.run(write(lake, rows[committed : committed + size]))
                else:  # a compaction, possibly before the records of a crashed flush arrive again
                    squeeze(lake)
        except Crash:
            reached = max(reached, committed + size)  # some of these rows may be stored already
        else:
            committed += size
        if committed >= reached:
            assert view_rows(lake) == expected_rows(one.message for one in rows[:committed])
    wanted = expected_rows(one.message for one in rows)
    with crash_at(None):
        asyncio.run(write(lake, rows))  # all records again, as after a reset of the consumer group
        assert view_rows(lake) == wanted
        squeeze(lake)
        assert view_rows(lake) == wanted
        assert squeeze(lake) == [], "a second compaction finds nothing"
    kept = stored(lake)
    assert len(set(kept)) == len(kept), "there are duplicate rows"
    deletions = {(one.record.partition, one.record.offset) for one in rows if isinstance(one.message, Deletion)}
    assert {(partition, offset) for partition, offset, _ in stored(lake, DELETIONS)} == deletions
    for folder in {file.parent for file in lake.rglob("*.parquet")}:
        files = [parse(str(file.relative_to(lake))) for file in folder.iterdir() if not file.name.startswith(".")]
        assert len({file.span.partition for file in files if file}) == len(files), (
            "an hour has one file for each partition"
        )


async def test_rows_go_to_the_hour_of_their_event_time(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, enriched("b", minutes=60))])
    folders = sorted(str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("*.parquet"))
    assert folders == ["posts/run=live/date=2026-06-20/hour=09", "posts/run=live/date=2026-06-20/hour=10"]


async def test_deletions_have_a_separate_folder(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, Deletion(source="test", id="a", deleted_at=START))])
    assert stored(tmp_path, "deletions") == [(0, 1, "a")]
    assert stored(tmp_path) == [(0, 0, "a")]


async def test_a_recreated_topic_with_the_same_offsets_loses_nothing(tmp_path: Path) -> None:
    assert await write(tmp_path, [row(0, enriched("a")), row(1, enriched("b"))]) == 2
    assert await write(tmp_path, [row(0, enriched("x")), row(1, enriched("y"))]) == 2
    assert [post_id for _, _, post_id in stored(tmp_path)] == ["a", "x", "b", "y"]


async def test_records_that_arrive_again_before_the_flush_count_once(tmp_path: Path) -> None:
    sink = ParquetSink(LakeSettings(path=tmp_path))
    await sink.open()
    await sink.write([row(5, enriched("a")), row(6, enriched("b"))])
    await sink.write([row(5, enriched("a"))])
    assert (await sink.flush()).stored == 2
    assert (await sink.flush()).stored == 0
    assert len(stored(tmp_path)) == 2


async def test_a_lake_that_cannot_be_written_is_unavailable_and_keeps_the_rows(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    sink = ParquetSink(LakeSettings(path=lake))
    await sink.open()
    await sink.write([row(0, enriched("a"))])
    shutil.rmtree(lake)
    lake.write_text("a file where the folder was")
    with pytest.raises(Unavailable, match="lake"):
        await sink.flush()
    lake.unlink()
    lake.mkdir()
    assert (await sink.flush()).stored == 1


@given(
    topic=st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True),
    partition=st.integers(0, 10_000),
    first=st.integers(0, 2**62),
    length=st.integers(0, 10_000),
    copy=st.integers(0, 3),
)
def test_file_names_say_what_the_file_holds(topic: str, partition: int, first: int, length: int, copy: int) -> None:
    span = Span(topic, partition, first, first + length)
    folder = "posts/run=live/date=2026-06-20/hour=09"
    for name in (span.file_name(copy), span.rewritten_name()):
        file = parse(f"{folder}/{name}")
        assert file is not None
        assert (file.span, file.folder) == (span, folder)


def test_foreign_files_are_not_ours() -> None:
    assert parse("posts/run=live/date=2026-06-20/hour=09/notes.parquet") is None


async def test_a_replay_has_separate_folders(tmp_path: Path) -> None:
    for run in ("live", "again"):
        sink = ParquetSink(LakeSettings(path=tmp_path), run)
        await sink.open()
        await sink.write([row(0, enriched("a"))])
        await sink.flush()
    assert sorted(folder.name for folder in (tmp_path / POSTS).iterdir()) == ["run=again", "run=live"]
