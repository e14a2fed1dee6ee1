"""A batch is reduced to its net effect and written with its offsets."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import msgspec
import psycopg
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, EnrichedMessage, EnrichedPost
from streams.settings import PostgresSettings
from streams.sinks.base import PostKey
from streams.sinks.postgres.session import connect
from streams.sinks.postgres.upsert import (
    STAGING_TABLE,
    BatchEffect,
    keep_offsets,
    lock_run,
    months_of,
    reduce_batch,
    stage,
    upsert,
)
from tests.helpers.postgres_sink import texts, write
from tests.helpers.replayed import surviving
from tests.helpers.rows import ODD, START, at, deletion, enriched, row


async def test_offsets_are_stored_with_the_posts(dsn: str) -> None:
    await write(dsn, [row(7, enriched("a")), row(4, enriched("b"), 1), row(8, deletion("a"))], run="replay-1")
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select run, topic, kafka_partition, next_offset from stored_offsets order by 3")
        assert found.fetchall() == [("replay-1", "posts.enriched", 0, 9), ("replay-1", "posts.enriched", 1, 5)]


MESSAGES = st.lists(
    st.one_of(
        st.builds(
            lambda name, minutes, edited, at: msgspec.structs.replace(
                enriched(name, minutes=minutes, edited_at=edited and START + timedelta(minutes=edited)),
                enriched_at=START + timedelta(days=at),
            ),
            st.sampled_from("ab"),
            st.integers(0, 3),
            st.none() | st.integers(1, 3),
            st.integers(0, 2),
        ),
        st.builds(deletion, st.sampled_from("ab"), st.integers(0, 3)),
    ),
    max_size=10,
)


@given(messages=MESSAGES, order=st.randoms(use_true_random=False))
def test_the_net_effect_does_not_depend_on_the_order(messages: list[EnrichedMessage], order: random.Random) -> None:
    rows = [row(offset, message, offset % 2) for offset, message in enumerate(messages)]
    shuffled = order.sample(rows, len(rows))
    effect = reduce_batch(rows)
    assert reduce_batch(shuffled) == effect
    versions = [each for each in rows if isinstance(each.message, EnrichedPost)]
    kept = {key: (each.record, each.message) for key, each in effect.posts.items()}
    wanted = {PostKey(each.message.post.source, each.message.post.id): tuple(each) for each in surviving(versions)}  # type: ignore[union-attr]
    assert kept == wanted
    deleted: dict[PostKey, datetime] = {}
    for message in messages:
        if isinstance(message, Deletion):
            key = PostKey(message.source, message.id)
            deleted[key] = max(message.deleted_at, deleted.get(key, message.deleted_at))
    assert effect.deletions == deleted


def test_among_equal_versions_the_last_record_of_the_first_partition_counts() -> None:
    rows = [row(5, enriched("a"), 1), row(3, enriched("a"), 0), row(4, enriched("a"), 0)]
    (kept,) = reduce_batch(rows).posts.values()
    assert (kept.record.partition, kept.record.offset) == (0, 4)
    assert reduce_batch([]) == BatchEffect({}, {})


def test_only_months_with_their_own_table_are_listed() -> None:
    times = [
        datetime(2026, 6, 30, 23, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
        datetime(2025, 12, 31, tzinfo=UTC),
    ]
    times += [*ODD, datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, 23, 59, tzinfo=UTC)]
    rows = [row(offset, at(time, "a")) for offset, time in enumerate(times)]
    assert months_of([*rows, row(99, deletion("b"))]) == [
        date(2000, 1, 1),
        date(2025, 12, 1),
        date(2026, 6, 1),
        date(2099, 12, 1),
    ]
    assert months_of([row(0, deletion("b"))]) == []


async def test_an_upsert_counts_what_it_changed(dsn: str) -> None:
    await write(dsn)  # creates the tables
    rows = [row(0, enriched("a")), row(1, enriched("b")), row(2, deletion("c"))]
    with connect(PostgresSettings(dsn=dsn)) as connection:
        connection.execute("select make_months(%s)", [months_of(rows)])
        connection.execute(STAGING_TABLE)
        changed = []
        for _ in range(2):
            with connection.transaction(), connection.cursor() as cursor:
                effect = reduce_batch(rows)
                lock_run(cursor, "live")
                stage(cursor, effect)
                changed.append(upsert(cursor, "live", effect))
                keep_offsets(cursor, "live", rows)
    assert changed == [3, 0]
    assert [post_id for post_id, _ in texts(dsn)] == ["a", "b"]
