"""The PostgreSQL sink ends up with the current posts, however often and in whatever batches records arrive."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.contracts import Deletion, EnrichedPost
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake.parquet import ParquetSink
from tests.helpers.postgres_sink import sink_for, texts, write
from tests.helpers.replayed import fields_of, lake_posts, postgres_posts, surviving
from tests.helpers.rows import ODD, START, changed, deletion, enriched, full, row

RUNS = itertools.count()


MOMENTS = st.one_of(st.integers(0, 6).map(lambda days: START + timedelta(days=days * 15)), st.sampled_from(ODD))
EVENTS = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["post", "edit", "edit", "deletion"]),
    MOMENTS,
    st.integers(0, 6),
    st.integers(0, 2),
)


def rows_from(events: list[tuple[str, str, datetime, int, int]]) -> list[Row]:
    rows = []
    for offset, (post_id, kind, created_at, moment, partition) in enumerate(events):
        at = START + timedelta(hours=moment)
        message: EnrichedPost | Deletion = Deletion(source="test", id=post_id, deleted_at=at)
        if kind != "deletion":
            post = enriched(post_id, text=f"version {offset}", edited_at=at if kind == "edit" else None)
            message = msgspec.structs.replace(
                changed(post, created_at=created_at), enriched_at=START + timedelta(days=offset % 3)
            )
        rows.append(row(offset, message, partition))
    return rows


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(EVENTS, min_size=1, max_size=25),
    steps=st.lists(st.tuples(st.integers(1, 8), st.sampled_from(["ok", "before", "after"])), max_size=40),
)
def test_any_batches_and_crashes_end_with_the_current_posts(
    dsn: str, events: list[tuple[str, str, datetime, int, int]], steps: list[tuple[int, str]]
) -> None:
    rows, run = rows_from(events), f"run-{next(RUNS)}"

    async def store() -> None:
        committed, plan = 0, iter(steps)
        sink = sink_for(dsn, run)
        while committed < len(rows):
            size, crash = next(plan, (len(rows), "ok"))
            await sink.write(rows[committed : committed + size])
            if crash != "before":
                assert not (await sink.flush()).bad
            if crash == "ok":
                committed += size
            else:
                await sink.close()
                sink = sink_for(dsn, run)
        await sink.close()

    asyncio.run(store())
    assert postgres_posts(dsn, run) == fields_of(surviving(rows))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=5, max_size=25))
def test_lake_and_postgres_agree(
    dsn: str, tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str, datetime, int, int]]
) -> None:
    rows, run = rows_from(events), f"run-{next(RUNS)}"
    lake = LakeSettings(path=tmp_path_factory.mktemp("lake"))

    async def store() -> None:
        for sink in (ParquetSink(lake), sink_for(dsn, run)):
            await sink.open()
            await sink.write(rows)
            await sink.flush()
            await sink.close()

    asyncio.run(store())
    assert lake_posts(lake) == postgres_posts(dsn, run) == fields_of(surviving(rows))


async def test_every_value_is_read_back_unchanged(dsn: str) -> None:
    rows = [row(0, full("x\\y\n")), row(1, enriched("plain"))]
    await write(dsn, rows)
    assert postgres_posts(dsn) == fields_of(surviving(rows))


async def test_a_flush_reports_the_number_of_new_rows(dsn: str) -> None:
    edit = enriched("a", text="edited", edited_at=START + timedelta(minutes=1))
    first = [row(0, enriched("a")), row(1, enriched("b"))]
    flushed = await write(dsn, first, [*first, row(2, edit)], [row(3, deletion("b"))], [row(3, deletion("b"))], first)
    assert [one.stored for one in flushed] == [2, 2, 1, 0, 0], (
        "the first version of a counts as new, like the edit in the same batch"
    )
    assert texts(dsn) == [("a", "edited")]


async def test_a_recreated_topic_with_the_same_offsets_loses_nothing(dsn: str) -> None:
    await write(dsn, [row(0, enriched("a")), row(1, enriched("b"))])
    await write(dsn, [row(0, enriched("x")), row(1, enriched("y"))])
    assert [post_id for post_id, _ in texts(dsn)] == ["a", "b", "x", "y"]


async def test_a_post_whose_time_changes_with_an_edit_is_stored_once(dsn: str) -> None:
    edit = enriched("a", minutes=60 * 24 * 60, edited_at=START + timedelta(minutes=1))
    odd = changed(edit, created_at=ODD[-1], edited_at=START + timedelta(minutes=2))
    await write(dsn, [row(0, enriched("a"))], [row(1, edit)], [row(2, odd)])
    assert [fields["created_at"] for fields in postgres_posts(dsn)] == [ODD[-1]]


POISON: dict[str, EnrichedPost | Deletion] = {
    "NUL in the text": changed(enriched("nul"), text="a\0b"),
    "NUL in the id": changed(enriched("x"), id="i\0d"),
    "NUL in a hashtag": changed(enriched("nul-tag"), hashtags=("a\0b",)),
    "half a surrogate": changed(enriched("half"), text="\ud83d"),
    "an id too large for the index": changed(
        enriched("x"), id="".join(chr(0x4E00 + n * 7 % 20_000) for n in range(1000))
    ),
    "NUL in a deletion": Deletion(source="test", id="de\0l", deleted_at=START),
}


async def test_bad_rows_are_reported_and_block_nothing(dsn: str) -> None:
    good = [row(offset, enriched(f"good-{offset}")) for offset in range(200)]
    bad = [row(1_000 + offset, message) for offset, message in enumerate(POISON.values())]
    mixed = [*good[:50], *bad[:3], *good[50:130], *bad[3:], *good[130:]]
    (flushed,) = await write(dsn, mixed)
    assert [one.row.record.offset for one in flushed.bad] == [one.record.offset for one in bad]
    assert all(one.why for one in flushed.bad)
    assert flushed.stored == 200
    assert postgres_posts(dsn) == fields_of(surviving(good))


async def test_a_bad_edit_leaves_the_previous_version(dsn: str) -> None:
    edit = enriched("a", text="n\0l", edited_at=START + timedelta(minutes=1))
    (flushed,) = await write(dsn, [row(0, enriched("a", text="first")), row(1, edit)])
    assert [one.row.record.offset for one in flushed.bad] == [1]
    assert texts(dsn) == [("a", "first")]


async def test_concurrent_writers_neither_deadlock_nor_duplicate_rows(dsn: str) -> None:
    versions = [enriched(f"p{n % 40}", text=f"{n}", edited_at=START + timedelta(seconds=n)) for n in range(400)]
    rows = [row(offset, message) for offset, message in enumerate(versions)]
    await write(dsn)  # creates the tables

    async def writer(step: int) -> None:
        sink = sink_for(dsn)
        ordered = rows[::step]
        for start in range(0, len(ordered), 25):
            await sink.write(ordered[start : start + 25])
            await sink.flush()
        await sink.close()

    await asyncio.gather(writer(1), writer(-1), writer(1))
    assert postgres_posts(dsn) == fields_of(surviving(rows))


async def test_rows_that_arrive_again_before_the_flush_count_once(dsn: str) -> None:
    sink = sink_for(dsn)
    await sink.open()
    await sink.write([row(5, enriched("a")), row(6, enriched("b"))])
    await sink.write([row(5, enriched("a"))])
    assert (await sink.flush()).stored == 2
    assert (await sink.flush()).stored == 0
    await sink.close()


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['psycopg'] = None\nfrom streams.cli import main; main()"
    for arguments in (["worker", "store", "--sink", "postgres"], ["postgres", "check"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 78
        assert "pip install 'tagpulse[postgres]'" in done.stderr
