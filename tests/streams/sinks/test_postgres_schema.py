"""The tables in the database: who creates them, the rights of each role, and retention."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from streams.contracts import Deletion, EnrichedMessage
from streams.errors import Refused, SettingsError
from streams.settings import PostgresSettings
from streams.sinks.base import Erasure, Forgotten, PostKey
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.migrate import SCRIPTS, migrate
from streams.sinks.postgres.schema import NEEDED
from tests.helpers.brokers import own_settings
from tests.helpers.postgres import PostgresServer
from tests.helpers.processes import run_tagpulse
from tests.streams.sinks.lake.test_parquet import START, enriched, row
from tests.streams.sinks.test_postgres import changed, deletion


def settings_for(dsn: str, **values: Any) -> PostgresSettings:
    return PostgresSettings(dsn=dsn, **values)


def run(tmp_path: Path, dsn: str, *arguments: str, **values: Any) -> tuple[int, str]:
    settings = own_settings("127.0.0.1:1", tmp_path, postgres={"dsn": dsn, **values})
    done = run_tagpulse("postgres", *arguments, settings=settings)
    return done.returncode, done.stdout + done.stderr


async def store(settings: PostgresSettings, *rows: Any) -> None:
    sink = PostgresSink(settings)
    try:
        await sink.open()
        await sink.write(rows)
        assert not (await sink.flush()).bad
    finally:
        await sink.close()


def login(server: PostgresServer, dsn: str, role: str) -> str:
    """Create a user whose only rights come from a role, and return its DSN."""
    name = f"{role}_{dsn.rpartition('_')[2]}"
    server.execute(f"create role {name} login in role {role}")
    return dsn.replace("postgres@", f"{name}@")


def test_the_needed_version_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == NEEDED


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['psycopg'] = None\nfrom streams.cli import main; main()"
    for arguments in (["worker", "store", "--sink", "postgres"], ["postgres", "check"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 78
        assert "pip install 'tagpulse[postgres]'" in done.stderr


def test_concurrent_workers_create_the_tables_once(dsn: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: migrate(settings_for(dsn)), range(4)))
    assert {one.needed for one in found} == {NEEDED}
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select version_num from tagpulse_version").fetchall() == [(NEEDED,)]


async def test_a_separate_schema_leaves_public_alone(dsn: str) -> None:
    await store(settings_for(dsn, schema_name="user"), row(0, enriched("a")))
    with psycopg.connect(dsn) as connection:
        assert connection.execute('select count(*) from "user".posts').fetchone() == (1,)
        assert connection.execute("select to_regclass('public.posts')").fetchone() == (None,)


async def test_without_migrations_the_worker_says_who_creates_the_tables(dsn: str) -> None:
    with pytest.raises(SettingsError, match="tagpulse postgres migrate"):
        await PostgresSink(settings_for(dsn, migrate=False)).open()


@pytest.mark.parametrize("may_migrate", [True, False])
async def test_tables_of_a_later_version_are_left_alone(dsn: str, may_migrate: bool) -> None:
    migrate(settings_for(dsn))
    with psycopg.connect(dsn) as connection:
        connection.execute("update tagpulse_version set version_num = '9999'")
    with pytest.raises(SettingsError, match=r"9999.*install"):
        await PostgresSink(settings_for(dsn, migrate=may_migrate)).open()


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


async def test_an_owner_who_may_not_create_roles_gets_a_warning_and_continues(
    postgres: PostgresServer, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = dsn.rpartition("/")[2]
    with (
        PostgresServer() as server
    ):  # a separate server, because roles belong to a server and other tests have created them
        server.execute("create role plain login")
        server.execute(f"create database {name} owner plain")
        await store(settings_for(server.dsn(name, "plain")), row(0, enriched("a")))
        assert server.execute("select count(*) from posts", name) == [(1,)]
    assert "tagpulse_writer is not made" in caplog.text


async def test_recent_months_and_distant_years_have_tables_and_other_centuries_share_two(dsn: str) -> None:
    times = [datetime(year, 5, 1, tzinfo=UTC) for year in (1, 1999, 2000, 2099, 2100, 9999)]
    lately = datetime.now(UTC) - timedelta(days=60)
    posts = [changed(enriched(str(at.year)), created_at=at) for at in times]
    posts.append(changed(enriched("lately"), created_at=lately))
    await store(settings_for(dsn), *[row(offset, post) for offset, post in enumerate(posts)])
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select id, tableoid::regclass::text from stored_posts order by created_at"
        ).fetchall()
    assert found == [
        ("1", "stored_posts_before_2000"),
        ("1999", "stored_posts_before_2000"),
        ("2000", "stored_posts_2000"),
        ("lately", f"stored_posts_{lately:%Y_%m}"),
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


def test_migrate_and_check_say_what_they_found(tmp_path: Path, dsn: str) -> None:
    assert run(tmp_path, dsn, "check", "--json") == (1, f'{{"found": null, "needed": "{NEEDED}"}}\n')
    assert run(tmp_path, dsn, "migrate", "--json") == (0, f'{{"before": null, "now": "{NEEDED}"}}\n')
    assert run(tmp_path, dsn, "check") == (0, f"the tables are at version {NEEDED}, as required\n")
    assert run(tmp_path, dsn, "migrate") == (0, f"the tables are already at version {NEEDED}\n")


async def test_prune_shows_its_plan_and_drops_whole_months_only_with_execute(tmp_path: Path, dsn: str) -> None:
    now = datetime.now(UTC)
    posts = [
        changed(enriched(name), created_at=now - timedelta(days=days)) for name, days in [("new", 0), ("old", 100)]
    ]
    gone = changed(enriched("gone"), created_at=START - timedelta(days=9_000))
    rows = [row(offset, post) for offset, post in enumerate([*posts, gone])]
    await store(settings_for(dsn), *rows, row(5, Deletion(source="test", id="gone", deleted_at=now)))

    code, output = run(tmp_path, dsn, "prune")
    assert (code, "TAGPULSE_POSTGRES__RETENTION_DAYS" in output) == (78, True)
    code, output = run(tmp_path, dsn, "prune", retention_days=60)
    assert code == 0
    assert "nothing was dropped" in output
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from posts").fetchone() == (2,)

    code, output = run(tmp_path, dsn, "prune", "--execute", "--json", retention_days=60)
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
        code, output = run(tmp_path, dsn, "prune", "--execute", retention_days=60)
    assert (code, output) == (0, "no month is entirely older than 60 days\n")
    await store(settings_for(dsn), row(7, changed(enriched("ancient"), created_at=datetime(1, 1, 1, tzinfo=UTC))))


async def test_deletions_go_when_no_post_of_their_time_is_kept(tmp_path: Path, dsn: str) -> None:
    now = datetime.now(UTC)
    long_ago, lately = now - timedelta(days=200), now - timedelta(days=65)
    deleted = [Deletion(source="test", id=name, deleted_at=at) for name, at in [("old", long_ago), ("new", lately)]]
    # the post was edited after its deletion: its row is dropped with its month, and then its deletion with the others
    back = changed(enriched("old"), created_at=long_ago, edited_at=long_ago + timedelta(hours=1))
    messages: list[EnrichedMessage] = [*deleted, back]
    await store(settings_for(dsn), *[row(offset, each) for offset, each in enumerate(messages)])
    assert run(tmp_path, dsn, "prune", retention_days=60)[1].count("dropped") == 2

    code, output = run(tmp_path, dsn, "prune", "--execute", "--json", retention_days=60)
    assert code == 0
    month, rest = (json.loads(line) for line in output.splitlines())
    assert (month["posts"], rest["deletions"], rest["dropped"]) == (1, 1, True)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select id from stored_versions").fetchall() == [("new",)]
    # records that are read again are kept no longer than their month
    await store(settings_for(dsn), row(0, changed(enriched("old"), created_at=long_ago)))
    run(tmp_path, dsn, "prune", "--execute", retention_days=60)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from posts").fetchone() == (0,)
