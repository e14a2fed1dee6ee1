"""Connections to PostgreSQL: which host is used, and whether a failure is waited for."""

from __future__ import annotations

import pytest

from streams.errors import Refused, SettingsError, Unavailable
from streams.settings import PostgresSettings, Settings
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.session import connect, parameters
from streams.sinks.registry import SINKS
from tests.helpers.postgres import PostgresServer
from tests.helpers.postgres_sink import sink_for, texts, write
from tests.helpers.rows import enriched, row


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


async def test_among_several_hosts_the_one_that_accepts_writes_is_used(postgres: PostgresServer, dsn: str) -> None:
    with PostgresServer(default_transaction_read_only="on") as reader:
        hosts = f"127.0.0.1:1,127.0.0.1:{reader.port},127.0.0.1:{postgres.port}"
        several = dsn.replace(f"127.0.0.1:{postgres.port}", hosts)
        reader.execute(f"create database {dsn.rpartition('/')[2]}")
        await write(several, [row(0, enriched("a"))])
    assert len(texts(dsn)) == 1


def test_the_dsn_overrides_the_defaults() -> None:
    given = parameters(PostgresSettings(dsn="postgresql://u@db.example/posts?connect_timeout=3&application_name=mine"))
    assert (given["host"], given["user"], given["dbname"]) == ("db.example", "u", "posts")
    assert (given["connect_timeout"], given["application_name"]) == ("3", "mine")
    assert (given["client_encoding"], given["keepalives_idle"]) == ("UTF8", "10")
    assert "target_session_attrs" not in given


@pytest.mark.parametrize(
    ("dsn", "wanted"),
    [
        ("host=a,b", "read-write"),
        ("hostaddr=127.0.0.1,127.0.0.2", "read-write"),
        ("host=a,b target_session_attrs=any", "any"),
        ("host=a", None),
    ],
)
def test_several_hosts_are_searched_for_one_that_accepts_writes(dsn: str, wanted: str | None) -> None:
    assert parameters(PostgresSettings(dsn=dsn)).get("target_session_attrs") == wanted


def test_a_session_has_the_settings_that_the_sink_needs(dsn: str) -> None:
    with connect(PostgresSettings(dsn=dsn, schema_name="user")) as connection:
        names = ("search_path", "timezone", "lock_timeout", "idle_in_transaction_session_timeout", "application_name")
        found = {name: connection.execute(f"show {name}".encode()).fetchone() for name in names}
        assert connection.autocommit
    assert found == {
        "search_path": ('"user"',),
        "timezone": ("UTC",),
        "lock_timeout": ("30s",),
        "idle_in_transaction_session_timeout": ("1min",),
        "application_name": ("tagpulse",),
    }


def test_a_database_of_another_encoding_is_refused(postgres: PostgresServer, dsn: str) -> None:
    name = f"latin_{dsn.rpartition('_')[2]}"
    postgres.execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
    with pytest.raises(Refused, match=f"the database {name} has the encoding LATIN1, but posts need UTF8"):
        connect(PostgresSettings(dsn=postgres.dsn(name)))


def test_notices_of_the_server_are_logged(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(PostgresSettings(dsn=dsn)) as connection:
        connection.execute("drop table if exists nowhere")
    assert 'PostgreSQL: table "nowhere" does not exist, skipping' in caplog.text
