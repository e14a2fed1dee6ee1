"""Runs are dropped, posts forgotten, and old months removed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from streams.contracts import Deletion, EnrichedMessage
from streams.sinks.base import Author, Erasure, Forgotten, PostKey
from streams.sinks.postgres.removal import deletions_limit, drop_deletions, drop_month, old_deletions, old_months
from streams.sinks.postgres.session import connect
from tests.helpers.postgres_sink import run_postgres, settings_for, sink_for, store, texts, write
from tests.helpers.rows import START, at, changed, deletion, enriched, row


async def test_runs_are_separate_and_can_be_dropped(dsn: str) -> None:
    await write(dsn, [row(0, enriched("a")), row(1, enriched("b"))])
    await write(dsn, [row(0, enriched("a", text="replayed"))], run="again")
    sink = sink_for(dsn)
    await sink.open()
    assert await sink.runs() == {"again": 1, "live": 2}
    assert await sink.drop_run("again") == 1
    assert await sink.drop_run("never") == 0
    assert await sink.runs() == {"live": 2}
    await sink.close()
    await write(dsn, [row(0, enriched("a", text="replayed"))], run="again")
    assert texts(dsn, "again") == [("a", "replayed")]


async def test_forgotten_posts_do_not_come_back(dsn: str) -> None:
    rows = [row(0, changed(enriched("a"), author="eve")), row(1, enriched("b")), row(2, enriched("c"))]
    await write(dsn, rows)
    await write(dsn, rows, run="again")
    sink = sink_for(dsn)
    await sink.open()
    wanted = Erasure(
        authors=frozenset([Author("test", "eve"), Author("elsewhere", "bob")]),
        posts=frozenset([PostKey("test", "b"), PostKey("test", "later")]),
    )
    assert await sink.forget(wanted) == Forgotten([PostKey("test", "a"), PostKey("test", "b")], [])
    assert await sink.forget(wanted) == Forgotten([], [])
    await sink.close()
    for run in ("live", "again", "new"):
        await write(dsn, [*rows, row(3, enriched("later"))], run=run)
        assert [post_id for post_id, _ in texts(dsn, run)] == ["c"]
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from stored_posts where author = 'eve'").fetchone() == (0,)


async def test_a_later_edit_of_a_forgotten_post_counts_as_a_new_post(dsn: str) -> None:
    sink = sink_for(dsn)
    await sink.open()
    await sink.forget(Erasure(posts=frozenset([PostKey("test", "a")])))
    await sink.close()
    await write(dsn, [row(0, enriched("a", edited_at=datetime.now(UTC) + timedelta(minutes=1)))])
    assert len(texts(dsn)) == 1


async def test_prune_shows_its_plan_and_drops_whole_months_only_with_execute(tmp_path: Path, dsn: str) -> None:
    now = datetime.now(UTC)
    posts = [
        changed(enriched(name), created_at=now - timedelta(days=days)) for name, days in [("new", 0), ("old", 100)]
    ]
    gone = changed(enriched("gone"), created_at=START - timedelta(days=9_000))
    rows = [row(offset, post) for offset, post in enumerate([*posts, gone])]
    await store(settings_for(dsn), *rows, row(5, Deletion(source="test", id="gone", deleted_at=now)))

    code, output = run_postgres(tmp_path, dsn, "prune")
    assert (code, "TAGPULSE_POSTGRES__RETENTION_DAYS" in output) == (78, True)
    code, output = run_postgres(tmp_path, dsn, "prune", retention_days=60)
    assert code == 0
    assert "nothing was dropped" in output
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from posts").fetchone() == (2,)

    code, output = run_postgres(tmp_path, dsn, "prune", "--execute", "--json", retention_days=60)
    dropped = [json.loads(line) for line in output.splitlines()]
    old = f"stored_posts_{posts[1].post.created_at:%Y_%m}"
    assert [month["table"] for month in dropped if "table" in month] == ["stored_posts_2001", old]
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select id from posts").fetchall() == [("new",)]
        assert connection.execute("select id from stored_versions order by id").fetchall() == [("gone",), ("new",)]
    # records that are read again are stored again until the next prune
    await store(
        settings_for(dsn), *rows, row(6, changed(enriched("ancient"), created_at=datetime(1, 1, 1, tzinfo=UTC)))
    )
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select id from posts order by id").fetchall() == [("ancient",), ("new",), ("old",)]
    for _ in range(2):
        code, output = run_postgres(tmp_path, dsn, "prune", "--execute", retention_days=60)
    assert (code, output) == (0, "no month is entirely older than 60 days\n")
    await store(settings_for(dsn), row(7, changed(enriched("ancient"), created_at=datetime(1, 1, 1, tzinfo=UTC))))


async def test_deletions_are_dropped_when_no_post_of_their_time_is_kept(tmp_path: Path, dsn: str) -> None:
    now = datetime.now(UTC)
    long_ago, recently = now - timedelta(days=200), now - timedelta(days=65)
    deleted = [Deletion(source="test", id=name, deleted_at=at) for name, at in [("old", long_ago), ("new", recently)]]
    # the post was edited after its deletion: its row is dropped with its month, and then its deletion with the others
    back = changed(enriched("old"), created_at=long_ago, edited_at=long_ago + timedelta(hours=1))
    messages: list[EnrichedMessage] = [*deleted, back]
    await store(settings_for(dsn), *[row(offset, each) for offset, each in enumerate(messages)])
    assert run_postgres(tmp_path, dsn, "prune", retention_days=60)[1].count("dropped") == 2

    code, output = run_postgres(tmp_path, dsn, "prune", "--execute", "--json", retention_days=60)
    assert code == 0
    month, rest = (json.loads(line) for line in output.splitlines())
    assert (month["posts"], rest["deletions"], rest["dropped"]) == (1, 1, True)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select id from stored_versions").fetchall() == [("new",)]
    # records that are read again are kept no longer than their month
    await store(settings_for(dsn), row(0, changed(enriched("old"), created_at=long_ago)))
    run_postgres(tmp_path, dsn, "prune", "--execute", retention_days=60)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from posts").fetchone() == (0,)


@pytest.mark.parametrize(
    ("now", "days", "limit"),
    [
        # the retention reaches into June, whose table stays: deletions of the week before it may still hide its posts
        (datetime(2026, 8, 9, tzinfo=UTC), 60, datetime(2026, 5, 25, tzinfo=UTC)),
        (datetime(2026, 8, 9, 13, 5, tzinfo=UTC), 8, datetime(2026, 7, 25, tzinfo=UTC)),
        # posts of two years ago share the table of their year
        (datetime(2026, 8, 9, tzinfo=UTC), 700, datetime(2023, 12, 25, tzinfo=UTC)),
        (datetime(2026, 8, 9, tzinfo=UTC), 500, datetime(2025, 2, 22, tzinfo=UTC)),
    ],
)
def test_deletions_are_kept_a_week_longer_than_the_table_of_their_posts(
    now: datetime, days: int, limit: datetime
) -> None:
    assert deletions_limit(days, now) == limit


async def test_old_deletions_are_counted_and_dropped_and_those_of_kept_posts_stay(dsn: str) -> None:
    back = changed(enriched("back"), edited_at=START + timedelta(days=2))
    await write(dsn, [row(0, deletion("old")), row(1, deletion("new", 60)), row(2, deletion("back")), row(3, back)])
    with connect(settings_for(dsn)) as connection:
        for limit, gone in ((START, 0), (START + timedelta(minutes=30), 1), (START + timedelta(minutes=30), 0)):
            assert old_deletions(connection, limit) == gone
            assert drop_deletions(connection, limit) == gone
        left = connection.execute("select id from stored_versions order by id").fetchall()
    assert left == [("back",), ("new",)]


async def test_a_month_is_old_when_all_of_its_posts_are(dsn: str) -> None:
    await write(dsn, [row(0, at(START, "a")), row(1, at(START + timedelta(days=31), "b"))])
    end = datetime(2026, 7, 1, tzinfo=UTC)
    with connect(settings_for(dsn)) as connection:
        assert old_months(connection, 10, end + timedelta(days=10) - timedelta(microseconds=1)) == []
        (month,) = old_months(connection, 10, end + timedelta(days=10))
        assert (month.until, month.posts) == (end, 1)
        assert month.size_bytes > 0
        drop_month(connection, month)
        assert old_months(connection, 10, end + timedelta(days=10)) == []
    assert [post_id for post_id, _ in texts(dsn)] == ["b"]
