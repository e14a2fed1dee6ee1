"""The migrations, run by Alembic from code. Its import takes long: only who needs it imports this module."""

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
from streams.sinks.postgres.faults import told
from streams.sinks.postgres.schema import VERSION_TABLE, Versions, require_not_newer, versions
from streams.sinks.postgres.session import LOCK_CLASS, MIGRATE_LOCK, MONTHS_LOCK, connect

SCRIPTS = "streams.sinks.postgres:migrations"


def migrate(settings: PostgresSettings) -> Versions:
    """Brings the schema up to ours, one process at a time; answers what it was before.

    Raises SettingsError when a later tagpulse made the schema, Unavailable, and Refused when the rights are missing.
    """
    # what Alembic tells on the way is for those who write migrations
    logging.getLogger("alembic").setLevel(logging.WARNING)
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
