"""Run the migrations with Alembic, which is slow to import: import this module only where it is needed."""

from __future__ import annotations

import logging

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from streams.settings import PostgresSettings
from streams.sinks.postgres.faults import translated_errors
from streams.sinks.postgres.schema import VERSION_TABLE, Versions, require_not_newer, versions
from streams.sinks.postgres.session import LOCK_CLASS, MIGRATE_LOCK, MONTHS_LOCK, connect

SCRIPTS = "streams.sinks.postgres:migrations"


def migrate(settings: PostgresSettings) -> Versions:
    """Migrate the schema to the current version, one process at a time, and return the versions found before.

    Raises:
        SettingsError: A later version of tagpulse created or migrated the tables.
        Refused: The user lacks a right.
        Unavailable: PostgreSQL is unavailable.
    """
    # Alembic's progress messages matter only to authors of migrations
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with connect(settings) as connection:
        found = versions(connection, settings)
        require_not_newer(found)
        if found.found == found.needed:
            return found
        with translated_errors():
            _run_migrations(connection, settings)
        return found


def _run_migrations(connection: psycopg.Connection, settings: PostgresSettings) -> None:
    schema = settings.schema_name
    connection.autocommit = False
    # the pool uses our connection, so that SQLAlchemy does not interpret the DSN
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    try:
        with engine.begin() as transaction:
            transaction.execute(text(f"select pg_advisory_xact_lock({LOCK_CLASS}, {MIGRATE_LOCK})"))
            quoted = sql.Identifier(schema).as_string(connection)
            if not transaction.execute(text("select to_regnamespace(:name)"), {"name": quoted}).scalar():
                transaction.execute(text(f"create schema {quoted}"))
            config = Config()
            config.set_main_option("script_location", SCRIPTS)
            config.set_main_option("path_separator", "os")
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
