"""The schema in the database: its version, and the migrations that bring it up to ours."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from streams.errors import SettingsError
from streams.settings import PostgresSettings
from streams.sinks.postgres.faults import told
from streams.sinks.postgres.session import LOCK_CLASS, MIGRATE_LOCK, MONTHS_LOCK, connect

VERSION_TABLE = "tagpulse_version"
_SCRIPTS = "streams.sinks.postgres:migrations"


class Versions(NamedTuple):
    """Of the schema, as four digits: what the database has (None: nothing yet) and what this tagpulse needs."""

    found: str | None
    needed: str


def versions(connection: psycopg.Connection, settings: PostgresSettings) -> Versions:
    """Asks the database. Raises Unavailable and Refused."""
    table = sql.Identifier(settings.schema_name, VERSION_TABLE)
    with told():
        exists = connection.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone()
        if exists is None or exists[0] is None:
            return Versions(None, _head())
        row = connection.execute(sql.SQL("select version_num from {}").format(table)).fetchone()
    return Versions(row[0] if row else None, _head())


def require(found: Versions) -> None:
    """Raises SettingsError when the schema is not ours, with what to do."""
    if found.found is None or found.found < found.needed:
        has = "has no tables of tagpulse" if found.found is None else f"has version {found.found} of the tables"
        raise SettingsError(
            f"the database {has}, version {found.needed} is needed: its owner runs `tagpulse postgres migrate`, "
            "or the worker does with TAGPULSE_POSTGRES__MIGRATE=true"
        )
    require_not_newer(found)


def require_not_newer(found: Versions) -> None:
    """Raises SettingsError when a later tagpulse made the schema."""
    if found.found is not None and found.found > found.needed:
        raise SettingsError(
            f"the database has version {found.found} of the tables, this tagpulse knows {found.needed}: "
            "install the tagpulse that ran `tagpulse postgres migrate`, or a later one"
        )


def migrate(settings: PostgresSettings) -> Versions:
    """Brings the schema up to ours, one process at a time; answers what it was before.

    Raises SettingsError when a later tagpulse made the schema, Unavailable, and Refused when the rights are missing.
    """
    with connect(settings) as connection:
        found = versions(connection, settings)
        require_not_newer(found)
        if found.found == found.needed:
            return found
        with told():
            _run_migrations(connection, settings)
        return found


def _run_migrations(connection: psycopg.Connection, settings: PostgresSettings) -> None:
    schema = settings.schema_name
    connection.autocommit = False
    # the pool hands out our own connection, whatever SQLAlchemy would make of the DSN
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    try:
        with engine.begin() as transaction:
            transaction.execute(text(f"select pg_advisory_xact_lock({LOCK_CLASS}, {MIGRATE_LOCK})"))
            quoted = sql.Identifier(schema).as_string(connection)
            if not transaction.execute(text("select to_regnamespace(:name)"), {"name": quoted}).scalar():
                transaction.execute(text(f"create schema {quoted}"))
            config = _config()
            config.attributes["connection"] = transaction
            config.attributes["schema"] = schema
            config.attributes["names"] = {
                "schema": quoted,
                "version_table": VERSION_TABLE,
                "lock_class": LOCK_CLASS,
                "months_lock": MONTHS_LOCK,
            }
            command.upgrade(config, "head")
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from None
        raise


def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise AssertionError("the migrations are not installed")
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("path_separator", "os")
    return config
