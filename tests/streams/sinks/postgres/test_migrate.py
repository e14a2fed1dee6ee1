"""The tables are created and migrated once, by any role that is allowed to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from streams.errors import SettingsError
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.migrate import migrate
from streams.sinks.postgres.schema import NEEDED
from tests.helpers.postgres import PostgresServer
from tests.helpers.postgres_sink import run_postgres, settings_for, store
from tests.helpers.rows import enriched, row


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


@pytest.mark.parametrize("may_migrate", [True, False])
async def test_tables_of_a_later_version_are_left_alone(dsn: str, may_migrate: bool) -> None:
    migrate(settings_for(dsn))
    with psycopg.connect(dsn) as connection:
        connection.execute("update tagpulse_version set version_num = '9999'")
    with pytest.raises(SettingsError, match=r"9999.*install"):
        await PostgresSink(settings_for(dsn, migrate=may_migrate)).open()


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


def test_migrate_and_check_report_what_they_found(tmp_path: Path, dsn: str) -> None:
    assert run_postgres(tmp_path, dsn, "check", "--json") == (1, f'{{"found": null, "needed": "{NEEDED}"}}\n')
    assert run_postgres(tmp_path, dsn, "migrate", "--json") == (0, f'{{"before": null, "now": "{NEEDED}"}}\n')
    assert run_postgres(tmp_path, dsn, "check") == (0, f"the tables are at version {NEEDED}, as required\n")
    assert run_postgres(tmp_path, dsn, "migrate") == (0, f"the tables are already at version {NEEDED}\n")
