"""Lakes with times of any century, odd names and foreign files can be written, read and maintained."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, EnrichedPost, Post
from streams.settings import LakeSettings
from streams.sinks.base import Erasure, Forgotten, PostKey
from streams.sinks.lake.compact import compact
from streams.sinks.lake.files import every_file, runs_of
from streams.sinks.lake.folders import POSTS, Span, parse
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.posts import read_messages
from streams.sinks.lake.prune import prune
from streams.sinks.lake.query import ask
from tests.helpers.lake import expected_rows, squeeze, view_rows, write
from tests.helpers.rows import DAY, START, at, enriched, row
from tests.helpers.s3 import Bucket

SOON = datetime(2026, 6, 21, tzinfo=UTC)


EXTREMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(999, 12, 31, 23, 59, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    START - timedelta(days=800),
    START - timedelta(days=30),
    START,
    datetime(2099, 12, 31, 23, tzinfo=UTC),
    datetime(2100, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("is_young", [False, True])
async def test_times_of_any_year_are_stored_queried_compacted_replayed_and_pruned(
    lake: Path | str, is_young: bool
) -> None:
    messages: list[EnrichedPost | Deletion] = [
        at(time, f"p{number}", time if is_young else None) for number, time in enumerate(EXTREMES)
    ]
    messages += [Deletion(source="test", id=f"q{number}", deleted_at=time) for number, time in enumerate(EXTREMES)]
    rows = [row(offset, message) for offset, message in enumerate(messages)]
    assert await write(lake, rows[::2]) == len(rows[::2])
    assert await write(lake, rows) == len(rows[1::2]), "stored rows are found in their folders"
    storage = open_storage(lake)
    for _ in range(2):
        assert view_rows(lake) == expected_rows(messages)
        dates = list(ask(lake, "select id, date, hour from posts order by id").rows)
        assert dates == [(f"p{number}", time.date(), f"{time:%H}") for number, time in enumerate(EXTREMES)]
        times = [
            message.created_at if isinstance(message, Post) else message.deleted_at
            for message in read_messages(lake, "live")
        ]
        assert times == sorted([*EXTREMES, *EXTREMES])
        list(compact(storage, run=None, before=SOON, execute=True))
    plan = list(prune(storage, days=10, today=DAY))
    assert [folder for folder in plan if folder.bytes < 0] == []
    assert list(prune(storage, days=10, today=DAY, execute=True)) == plan
    young = [time for time in EXTREMES if time >= START - timedelta(days=10)]
    assert list(ask(lake, "select created_at from posts order by 1").rows) == [(time,) for time in young]
    assert list(prune(storage, days=10, today=DAY)) == []


async def test_posts_of_several_centuries_make_few_files(tmp_path: Path) -> None:
    dice = random.Random(1)
    first, hours = datetime(1800, 1, 1, tzinfo=UTC), 226 * 8_766
    rows = [row(number, at(first + timedelta(hours=dice.randrange(hours)), f"p{number}")) for number in range(6_000)]
    await write(tmp_path, rows)
    assert len(list(tmp_path.rglob("*.parquet"))) < 60
    assert list(ask(tmp_path, "select count(*) from posts").rows) == [(6_000,)]


def litter(lake: Path) -> None:
    """Add files as people, tools and file systems leave them."""
    hour = next(lake.rglob("hour=*"))
    for folder in ("lost+found", "posts/.Trash", "posts/run=live/notes", "posts/run=LIVE/date=x/hour=y", "posts/x=y"):
        (lake / folder).mkdir(parents=True)
        (lake / folder / "a.parquet").write_text("no Parquet")
        (lake / folder / next(hour.iterdir()).name).write_text("no Parquet")
    for name in ("date=1-01-01", "date=2026-13-01", "date=2026-06-20/hour=25", "date=1999-01-01/hour=03"):
        place = lake / "posts/run=live" / name
        place.mkdir(parents=True)
        (place / "posts.enriched-0-000000000000-000000000000.parquet").write_text("no Parquet")
    for place in (lake, lake / POSTS, hour):
        (place / "_SUCCESS").touch()
        (place / ".DS_Store").write_bytes(b"\0")
        (place / "notes.parquet").write_text("no Parquet")
    for kind in ("forgotten", "spikes/run=live/date=2026-06-20"):
        (lake / kind).mkdir(parents=True)
        (lake / kind / "mine.parquet").write_text("no Parquet")
    dangling = "posts.enriched-0-000000000000-000000000009.parquet"
    (hour / dangling).symlink_to(lake / "nowhere.parquet")
    (hour / "posts.enriched-0-000000000001-000000000009.parquet").mkdir()
    os.mkfifo(hour / "posts.enriched-0-000000000002-000000000009.parquet")
    (lake / "gone.part").symlink_to(lake / "nowhere.part")


@pytest.mark.timeout(60)
async def test_foreign_files_are_neither_read_nor_removed(tmp_path: Path) -> None:
    lake = tmp_path
    await write(lake, [row(0, enriched("a"))])
    litter(lake)
    theirs = lake / "posts" / "report.part"
    ours = next(lake.rglob("hour=*")) / f".{'0' * 32}.part"
    for left in (theirs, ours):
        left.write_text("half")
        os.utime(left, (0, 0))
    foreign = {path for path in lake.rglob("*") if path != ours and path.name[:19] != "posts.enriched-0-00"}
    await write(lake, [row(1, enriched("b")), row(2, Deletion(source="test", id="x", deleted_at=START))])
    assert not ours.exists()
    assert theirs.exists()
    assert {key[1] for key in view_rows(lake)} == {"a", "b"}
    assert list(ask(lake, "select count(*) from spikes").rows) == [(0,)]
    assert runs_of(open_storage(lake)) == ["live"]
    squeeze(lake)
    assert len(list(read_messages(lake, "live"))) == 3
    sink = ParquetSink(LakeSettings(path=lake))
    assert await sink.forget(Erasure(posts=frozenset({PostKey("test", "a")}))) == Forgotten([PostKey("test", "a")], [])
    assert await sink.runs() == {"live": 1}
    list(prune(open_storage(lake), days=1, today=DAY + timedelta(days=1), execute=True))
    assert {key[1] for key in view_rows(lake)} == {"b"}
    assert {path for path in foreign if not os.path.lexists(path)} == set()


async def test_foreign_objects_in_a_bucket_are_left_alone(bucket: Bucket) -> None:
    lake = bucket.address()
    await write(lake, [row(0, enriched("a"))])
    storage = open_storage(lake)
    for name in ("posts/run=live/date=1-01-01/hour=00/x-0-0-0.parquet", "posts/a.parquet", "spikes/b.parquet"):
        with storage.filesystem.open_output_stream(storage.full(name)) as stream:
            stream.write(b"no Parquet")
    assert {key[1] for key in view_rows(lake)} == {"a"}
    list(compact(storage, run=None, before=SOON, execute=True))
    list(prune(storage, days=1, today=DAY, execute=True))
    assert len(every_file(storage)) == 1
    assert len([key for key in bucket.objects() if key.endswith(".parquet")]) == 4


@given(
    topic=st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True),
    partition=st.integers(0, 10_000),
    first=st.integers(0, 2**62),
    length=st.integers(0, 10_000),
    copy=st.integers(0, 3),
)
def test_file_names_describe_the_content(topic: str, partition: int, first: int, length: int, copy: int) -> None:
    span = Span(topic, partition, first, first + length)
    folder = "posts/run=live/date=2026-06-20/hour=09"
    for name in (span.file_name(copy), span.rewritten_name()):
        file = parse(f"{folder}/{name}")
        assert file is not None
        assert (file.span, file.folder) == (span, folder)


def test_foreign_file_names_are_not_recognised() -> None:
    assert parse("posts/run=live/date=2026-06-20/hour=09/notes.parquet") is None
