"""The Parquet sink keeps each row once, whatever crashes and however the records come again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
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
from streams.lossless import Record
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake import POSTS, Span, parse_file_name
from streams.sinks.parquet import ParquetSink

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


async def write(lake: Path, rows: list[Row]) -> int:
    sink = ParquetSink(LakeSettings(path=lake))
    await sink.open()
    await sink.write(rows)
    flushed = await sink.flush()
    await sink.close()
    return flushed.stored


class Crash(BaseException):
    """The process dies here."""


@settings(max_examples=60, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 240), min_size=1, max_size=40),
    chunks=st.lists(st.integers(1, 15), min_size=80, max_size=80),
    crashes=st.lists(st.integers(0, 5), max_size=6),
)
def test_crashes_between_renames_neither_lose_nor_double_a_row(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int], chunks: list[int], crashes: list[int]
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    rows = [
        row(offset, enriched(f"p{offset}", minutes=minute), partition=offset % 2)
        for offset, minute in enumerate(minutes)
    ]
    committed, sizes, pending = 0, iter(chunks), list(crashes)
    while committed < len(rows):
        size = next(sizes, len(rows))
        with pytest.MonkeyPatch.context() as patch:
            renames_left = pending.pop() if pending else None
            rename = Path.rename

            def die(self: Path, target: Path, rename=rename) -> Path:
                nonlocal renames_left
                if renames_left == 0:
                    raise Crash
                if renames_left is not None:
                    renames_left -= 1
                return rename(self, target)

            patch.setattr(Path, "rename", die)
            try:
                asyncio.run(write(lake, rows[committed : committed + size]))
            except Crash:
                continue
        committed += size
    assert stored(lake) == sorted(
        (row.record.partition, row.record.offset, row.message.key.decode()[5:]) for row in rows
    )


async def test_rows_go_to_the_hour_of_their_event_time(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, enriched("b", minutes=60))])
    folders = sorted(str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("*.parquet"))
    assert folders == ["posts/run=live/date=2026-06-20/hour=09", "posts/run=live/date=2026-06-20/hour=10"]


async def test_deletions_have_a_folder_of_their_own(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, Deletion(source="test", id="a", deleted_at=START))])
    assert stored(tmp_path, "deletions") == [(0, 1, "a")]
    assert stored(tmp_path) == [(0, 0, "a")]


async def test_a_topic_made_anew_with_the_same_offsets_loses_nothing(tmp_path: Path) -> None:
    assert await write(tmp_path, [row(0, enriched("a")), row(1, enriched("b"))]) == 2
    assert await write(tmp_path, [row(0, enriched("x")), row(1, enriched("y"))]) == 2
    assert [post_id for _, _, post_id in stored(tmp_path)] == ["a", "x", "b", "y"]


async def test_records_that_come_again_before_the_flush_count_once(tmp_path: Path) -> None:
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
    lake.rmdir()
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
    assert parse_file_name(span.file_name(copy)) == span


def test_foreign_files_are_not_ours() -> None:
    assert parse_file_name("notes.parquet") is None


async def test_a_replay_has_folders_of_its_own(tmp_path: Path) -> None:
    for run in ("live", "again"):
        sink = ParquetSink(LakeSettings(path=tmp_path), run)
        await sink.open()
        await sink.write([row(0, enriched("a"))])
        await sink.flush()
    assert sorted(folder.name for folder in (tmp_path / POSTS).iterdir()) == ["run=again", "run=live"]
