"""The tables in the database: who creates them, the rights of each role, and retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from streams.errors import Refused, SettingsError
from streams.sinks.base import Erasure, Forgotten, PostKey
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.migrate import SCRIPTS, migrate
from streams.sinks.postgres.schema import NEEDED, Versions, require, require_not_newer, require_tables, versions
from streams.sinks.postgres.session import connect
from tests.helpers.postgres import PostgresServer, login
from tests.helpers.postgres_sink import settings_for, store, write
from tests.helpers.rows import START, changed, deletion, enriched, row


def test_the_needed_version_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == NEEDED


async def test_without_migrations_the_error_says_who_creates_the_tables(dsn: str) -> None:
    with pytest.raises(SettingsError, match="tagpulse postgres migrate"):
        await PostgresSink(settings_for(dsn, migrate=False)).open()


async def test_the_writer_needs_no_more_than_its_role(postgres: PostgresServer, dsn: str) -> None:
    migrate(settings_for(dsn))
    # as in a locked-down database, where no role has rights by default
    postgres.execute(f"revoke all on database {dsn.rpartition('/')[2]} from public")
    postgres.execute(f"grant connect on database {dsn.rpartition('/')[2]} to tagpulse_writer")
    writer = login(postgres, dsn, "tagpulse_writer")
    settings = settings_for(writer, migrate=False)
    await store(settings, row(0, enriched("a")), row(1, enriched("b", minutes=60 * 24 * 70)), row(2, deletion("a")))
    await store(settings_for(writer), row(3, enriched("c")))  # up to date, so there is nothing to migrate
    sink = PostgresSink(settings, "replay")
    await sink.open()
    assert await sink.runs() == {"live": 2}
    assert await sink.forget(Erasure(posts=frozenset([PostKey("test", "c")]))) == Forgotten([PostKey("test", "c")], [])
    assert await sink.drop_run("live") == 1
    await sink.close()
    with psycopg.connect(writer) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("drop table stored_posts")


async def test_the_reader_sees_the_views_and_nothing_else(postgres: PostgresServer, dsn: str) -> None:
    await store(settings_for(dsn), row(0, enriched("a")))
    reader = login(postgres, dsn, "tagpulse_reader")
    with psycopg.connect(reader, autocommit=True) as connection:
        assert connection.execute("select run, id, hour from posts").fetchall() == [("live", "a", "09")]
        assert connection.execute("select count(*) from minutes").fetchone() == (0,)
        for forbidden in (
            "select * from stored_posts",
            "select * from forgotten_posts",
            "delete from posts",
            "select make_months(array['2030-01-01'::date])",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
    with pytest.raises(Refused, match="tagpulse_writer"):
        await store(settings_for(reader, migrate=False), row(1, enriched("b")))


async def test_recent_months_and_distant_years_have_tables_and_other_centuries_share_two(dsn: str) -> None:
    times = [datetime(year, 5, 1, tzinfo=UTC) for year in (1, 1999, 2000, 2099, 2100, 9999)]
    recent = datetime.now(UTC) - timedelta(days=60)
    posts = [changed(enriched(str(at.year)), created_at=at) for at in times]
    posts.append(changed(enriched("recent"), created_at=recent))
    await store(settings_for(dsn), *[row(offset, post) for offset, post in enumerate(posts)])
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select id, tableoid::regclass::text from stored_posts order by created_at"
        ).fetchall()
    assert found == [
        ("1", "stored_posts_before_2000"),
        ("1999", "stored_posts_before_2000"),
        ("2000", "stored_posts_2000"),
        ("recent", f"stored_posts_{recent:%Y_%m}"),
        ("2099", "stored_posts_2099"),
        ("2100", "stored_posts_from_2100"),
        ("9999", "stored_posts_from_2100"),
    ]


async def test_posts_of_twelve_hundred_months_share_the_tables_of_a_hundred_years(dsn: str) -> None:
    times = [datetime(2000 + number // 12, number % 12 + 1, 7, tzinfo=UTC) for number in range(1_200)]
    posts = [changed(enriched(f"{number}"), created_at=at) for number, at in enumerate(times)]
    await store(settings_for(dsn), *[row(offset, post) for offset, post in enumerate(posts)])
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from posts").fetchone() == (1_200,)
        ((tables,),) = connection.execute("select count(*) from pg_inherits where inhparent = 'stored_posts'::regclass")
    assert tables <= 100 + 2 * 12 + 14
    # a distant year whose table exists keeps it when it comes closer
    await store(settings_for(dsn), row(1_200, changed(enriched("x"), created_at=datetime(2050, 3, 1, tzinfo=UTC))))


@pytest.mark.parametrize(
    "question",
    [
        "select id from posts where hashtags @> array['poltwt'] and created_at > '2026-06-20'",
        "select id from posts where run = 'live' and created_at between '2026-06-20 09:00+00' and '2026-06-20 10:00+00'",
        "select id from posts where run = 'live' and language = 'de' order by created_at desc limit 10",
        "select id from posts where run = 'live' order by negative desc limit 10",
        "select id from posts where run = 'live' and source = 'test' and id = 'a' and created_at = '2026-06-20 09:30+00'",
    ],
)
async def test_common_queries_use_an_index(dsn: str, question: str) -> None:
    await store(settings_for(dsn), row(0, enriched("a")))
    with psycopg.connect(dsn) as connection:
        connection.execute("set enable_seqscan = off; set enable_sort = off")
        plan = "\n".join(line for (line,) in connection.execute(f"explain {question}".encode()))
    assert "Index" in plan
    assert "Seq Scan" not in plan


async def test_minutes_count_by_hashtag_and_sentiment(dsn: str) -> None:
    tagged = [changed(enriched(str(number), minutes=number // 2), hashtags=("a", "b", "a")) for number in range(3)]
    await write(dsn, [row(number, message) for number, message in enumerate(tagged)])
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select * from minutes order by minute, hashtag").fetchall()
    wanted = [(START, "a", 2), (START, "b", 2), (START + timedelta(minutes=1), "a", 1)]
    assert [(minute, hashtag, posts) for _, minute, hashtag, posts, *_ in found][:3] == wanted
    assert [line[4:] for line in found] == [(0, 2, 0), (0, 2, 0), (0, 1, 0), (0, 1, 0)]


def test_the_version_is_read_from_the_database(dsn: str) -> None:
    settings = settings_for(dsn)
    with connect(settings) as connection:
        assert versions(connection, settings) == Versions(None, NEEDED)
        with pytest.raises(
            SettingsError, match=r"TAGPULSE_POSTGRES__DSN: the database test_\w+ has no tagpulse tables"
        ):
            require_tables(settings)
        migrate(settings)
        assert versions(connection, settings) == Versions(NEEDED, NEEDED)
        require_tables(settings)
        connection.execute("delete from tagpulse_version")
        assert versions(connection, settings) == Versions(None, NEEDED)
    with pytest.raises(SettingsError, match="TAGPULSE_POSTGRES__SCHEMA_NAME"):
        require_tables(settings_for(dsn, schema_name="another"))


def test_the_error_about_another_version_says_who_has_to_do_what() -> None:
    require(Versions("0002", "0002"))
    require_not_newer(Versions(None, "0002"))
    require_not_newer(Versions("0001", "0002"))
    with pytest.raises(SettingsError, match=r"has no tagpulse tables, but version 0002 is needed: .*postgres migrate"):
        require(Versions(None, "0002"))
    with pytest.raises(SettingsError, match="has version 0001 of the tables, but version 0002 is needed"):
        require(Versions("0001", "0002"))
    for check in (require, require_not_newer):
        with pytest.raises(SettingsError, match="has version 0003 of the tables, but this tagpulse supports 0002"):
            check(Versions("0003", "0002"))
