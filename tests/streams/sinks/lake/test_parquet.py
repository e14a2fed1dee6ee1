"""The Parquet sink stores each row once, despite crashes and repeated records."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.contracts import (
    Deletion,
    EnrichedMessage,
)
from streams.errors import Unavailable
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake.folders import DELETIONS, POSTS, parse
from streams.sinks.lake.parquet import ParquetSink
from tests.helpers.lake import Crash, crash_at, expected_rows, open_sink, squeeze, store_run, stored, view_rows, write
from tests.helpers.rows import START, enriched, row

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


async def test_a_replay_has_separate_folders(tmp_path: Path) -> None:
    for run in ("live", "again"):
        sink = ParquetSink(LakeSettings(path=tmp_path), run)
        await sink.open()
        await sink.write([row(0, enriched("a"))])
        await sink.flush()
    assert sorted(folder.name for folder in (tmp_path / POSTS).iterdir()) == ["run=again", "run=live"]


async def test_a_run_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    for run in ("live", "again"):
        await store_run(tmp_path, run, enriched("a"), Deletion(source="test", id="z", deleted_at=START))
    sink = await open_sink(tmp_path)
    assert await sink.runs() == {"live": 1, "again": 1}
    assert await sink.drop_run("again") == 1
    assert await sink.drop_run("again") == 0
    assert await sink.runs() == {"live": 1}
