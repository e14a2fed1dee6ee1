"""Read the schema version of the database, and check it against the version that this tagpulse needs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from streams.errors import SettingsError
from streams.settings import PostgresSettings
from streams.sinks.postgres.faults import translated_errors
from streams.sinks.postgres.login import VARIABLE
from streams.sinks.postgres.session import connect

VERSION_TABLE = "tagpulse_version"
NEEDED = max(file.stem[1:5] for file in (Path(__file__).parent / "migrations" / "versions").glob("v*.py"))
"""The version of the latest migration, by the names of their files: Alembic is slow to import."""


class Versions(NamedTuple):
    """Four-digit schema versions: the one in the database (None if there are no tables yet), and the one needed."""

    found: str | None
    needed: str


def versions(connection: psycopg.Connection, settings: PostgresSettings) -> Versions:
    """Read the schema version from the database. Raises Unavailable and Refused."""
    table = sql.Identifier(settings.schema_name, VERSION_TABLE)
    with translated_errors():
        exists = connection.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone()
        if exists is None or exists[0] is None:
            return Versions(None, NEEDED)
        row = connection.execute(sql.SQL("select version_num from {}").format(table)).fetchone()
    return Versions(row[0] if row else None, NEEDED)


def require_tables(settings: PostgresSettings) -> None:
    """Raise SettingsError if the database has no tagpulse tables. Also raises Unavailable and Refused."""
    with connect(settings) as connection:
        if versions(connection, settings).found is None:
            raise SettingsError(
                f"{VARIABLE}: the database {connection.info.dbname} has no tagpulse tables in the schema "
                f"{settings.schema_name} (TAGPULSE_POSTGRES__SCHEMA_NAME): "
                "set both to those that `tagpulse worker store` writes to"
            )


def require(found: Versions) -> None:
    """Raise SettingsError, saying what to do, if the database does not have the version that this tagpulse needs."""
    if found.found is None or found.found < found.needed:
        has = "has no tagpulse tables" if found.found is None else f"has version {found.found} of the tables"
        raise SettingsError(
            f"the database {has}, but version {found.needed} is needed: "
            "have its owner run `tagpulse postgres migrate`, "
            "or let the worker do it with TAGPULSE_POSTGRES__MIGRATE=true"
        )
    require_not_newer(found)


def require_not_newer(found: Versions) -> None:
    """Raise SettingsError if a later version of tagpulse created or migrated the tables."""
    if found.found is not None and found.found > found.needed:
        raise SettingsError(
            f"the database has version {found.found} of the tables, but this tagpulse supports {found.needed}: "
            "install the tagpulse that ran `tagpulse postgres migrate`, or a later one"
        )
