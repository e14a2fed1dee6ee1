"""The PostgreSQL sink ends up with the current posts, however often and in whatever batches records arrive."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.contracts import Deletion, Engagement, EnrichedPost, Post, TopicScore
from streams.errors import Refused, SettingsError, Unavailable
from streams.settings import LakeSettings, PostgresSettings, Settings
from streams.sinks.base import Author, Erasure, Flushed, Forgotten, PostKey, Row
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.session import connect
from streams.sinks.registry import SINKS
from tests.helpers.postgres import PostgresServer
from tests.helpers.replayed import fields_of, lake_posts, postgres_posts, standing
from tests.streams.sinks.lake.test_parquet import START, enriched, row

ODD = [datetime(1, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
ODD += [datetime(2100, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
RUNS = itertools.count()


def sink_for(dsn: str, run: str = "live") -> PostgresSink:
    return PostgresSink(PostgresSettings(dsn=dsn), run)


async def write(dsn: str, *batches: list[Row], run: str = "live") -> list[Flushed]:
    sink = sink_for(dsn, run)
    await sink.open()
    flushed = []
    for rows in batches:
        await sink.write(rows)
        flushed.append(await sink.flush())
    await sink.close()
    return flushed


def deletion(post_id: str, minutes: int = 0) -> Deletion:
    return Deletion(source="test", id=post_id, deleted_at=START + timedelta(minutes=minutes))


def texts(dsn: str, run: str = "live") -> list[tuple[str, str]]:
    return [(fields["id"], fields["text"]) for fields in postgres_posts(dsn, run)]


def changed(message: EnrichedPost, **values: object) -> EnrichedPost:
    """Return a copy of the message with other values in its post."""
    return msgspec.structs.replace(message, post=msgspec.structs.replace(message.post, **values))


def full(post_id: str) -> EnrichedPost:
    """Return a post with all fields set, and every character that is special in COPY."""
    post = Post(
        source="test",
        id=post_id,
        text='a\\b\tc\nd\re "f" {g,h} \\N \\. 🐕 ẞ',
        created_at=START,
        author="@näme",
        hashtags=("poltwt", 'q"u\\ote', "a,b", "{}", "", "null", "l\nf"),
        language_hint="de",
        media=("image", "video"),
        reply_to="1\t2",
        repost_of="\\N",
        engagement=Engagement(likes=2**63 - 1, reposts=2, replies=3),
        url="https://example.org/?a=1&b=\\2",
        edited_at=START + timedelta(microseconds=1),
        collected_at=START + timedelta(seconds=2),
        created_at_is_estimate=True,
        author_created_at=datetime(1, 1, 1, tzinfo=UTC),
    )
    topics = (TopicScore(name="sports", score=1 / 3), TopicScore(name='"x"', score=1e-300))
    return msgspec.structs.replace(enriched(post_id), post=post, topics=topics)


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
    assert postgres_posts(dsn, run) == fields_of(standing(rows))


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
    assert lake_posts(lake) == postgres_posts(dsn, run) == fields_of(standing(rows))


async def test_every_value_is_read_back_unchanged(dsn: str) -> None:
    rows = [row(0, full("x\\y\n")), row(1, enriched("plain"))]
    await write(dsn, rows)
    assert postgres_posts(dsn) == fields_of(standing(rows))


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


async def test_offsets_are_stored_with_the_posts(dsn: str) -> None:
    await write(dsn, [row(7, enriched("a")), row(4, enriched("b"), 1), row(8, deletion("a"))], run="replay-1")
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select run, topic, kafka_partition, next_offset from stored_offsets order by 3")
        assert found.fetchall() == [("replay-1", "posts.enriched", 0, 9), ("replay-1", "posts.enriched", 1, 5)]


async def test_minutes_count_by_hashtag_and_sentiment(dsn: str) -> None:
    tagged = [changed(enriched(str(number), minutes=number // 2), hashtags=("a", "b", "a")) for number in range(3)]
    await write(dsn, [row(number, message) for number, message in enumerate(tagged)])
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select * from minutes order by minute, hashtag").fetchall()
    wanted = [(START, "a", 2), (START, "b", 2), (START + timedelta(minutes=1), "a", 1)]
    assert [(minute, hashtag, posts) for _, minute, hashtag, posts, *_ in found][:3] == wanted
    assert [line[4:] for line in found] == [(0, 2, 0), (0, 2, 0), (0, 1, 0), (0, 1, 0)]


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
    assert postgres_posts(dsn) == fields_of(standing(good))


async def test_a_bad_edit_leaves_the_version_before_it(dsn: str) -> None:
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
    assert postgres_posts(dsn) == fields_of(standing(rows))


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


async def test_what_was_forgotten_does_not_come_back(dsn: str) -> None:
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


async def test_rows_that_arrive_again_before_the_flush_count_once(dsn: str) -> None:
    sink = sink_for(dsn)
    await sink.open()
    await sink.write([row(5, enriched("a")), row(6, enriched("b"))])
    await sink.write([row(5, enriched("a"))])
    assert (await sink.flush()).stored == 2
    assert (await sink.flush()).stored == 0
    await sink.close()


async def test_an_unreachable_server_is_waited_for(dsn: str) -> None:
    away = PostgresSettings(dsn="postgresql://someone:secret-word@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="PostgreSQL is unavailable") as raised:
        await PostgresSink(away).open()
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"user": "nobody"}, 'role "nobody" does not exist'), ({"database": "none"}, 'database "none" does not exist')],
)
async def test_a_login_that_is_refused_ends_the_wait(
    postgres: PostgresServer, change: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        await sink_for(postgres.dsn(**change)).open()


async def test_an_impossible_port_ends_the_wait() -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_POSTGRES__DSN") as raised:
        await sink_for("postgresql://u:secret-word@127.0.0.1:port/x").open()
    assert "secret-word" not in str(raised.value)


async def test_a_wrong_password_is_refused(fresh_postgres: PostgresServer) -> None:
    fresh_postgres.execute("create role locked login password 'right'")
    (fresh_postgres.data / "pg_hba.conf").write_text(
        "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    fresh_postgres.execute("select pg_reload_conf()")
    for user in ("locked", "locked:wrong"):
        with pytest.raises(Refused, match="refused the login"):
            await sink_for(fresh_postgres.dsn(user=user)).open()


@pytest.mark.parametrize(("host", "warned"), [("db.example.org", True), ("127.0.0.1", False), ("localhost", False)])
def test_a_remote_server_without_tls_causes_a_warning(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture, host: str, warned: bool
) -> None:
    # the name is as an operator would write it; the address is that of the test server
    dsn = f"host={host} hostaddr=127.0.0.1 port={postgres.port} user=postgres password=canary dbname=postgres"
    connect(PostgresSettings(dsn=dsn)).close()
    assert (f"PostgreSQL on {host} is reached without TLS" in caplog.text) == warned
    assert "canary" not in caplog.text


@pytest.mark.parametrize("dsn", [None, "host secret-word"])
def test_an_invalid_dsn_names_its_variable_and_shows_no_secret(dsn: str | None) -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_POSTGRES__DSN") as raised:
        SINKS.find("postgres").from_settings(Settings(postgres={"dsn": dsn}))
    assert "secret-word" not in str(raised.value)


async def test_of_several_hosts_the_one_that_accepts_writes_is_used(postgres: PostgresServer, dsn: str) -> None:
    with PostgresServer(default_transaction_read_only="on") as reader:
        hosts = f"127.0.0.1:1,127.0.0.1:{reader.port},127.0.0.1:{postgres.port}"
        several = dsn.replace(f"127.0.0.1:{postgres.port}", hosts)
        reader.execute(f"create database {dsn.rpartition('/')[2]}")
        await write(several, [row(0, enriched("a"))])
    assert len(texts(dsn)) == 1
