"""The version of the tables in the database, and whether it is ours."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg import sql

from streams.errors import SettingsError
from streams.settings import PostgresSettings
from streams.sinks.postgres.faults import told
from streams.sinks.postgres.login import VARIABLE
from streams.sinks.postgres.session import connect

VERSION_TABLE = "tagpulse_version"
NEEDED = "0002"
"""The last of the migrations."""


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
            return Versions(None, NEEDED)
        row = connection.execute(sql.SQL("select version_num from {}").format(table)).fetchone()
    return Versions(row[0] if row else None, NEEDED)


def require_tables(settings: PostgresSettings) -> None:
    """Raises SettingsError when the database has no tables of tagpulse; Unavailable and Refused."""
    with connect(settings) as connection:
        if versions(connection, settings).found is None:
            raise SettingsError(
                f"{VARIABLE}: the database {connection.info.dbname} has no tables of tagpulse in the schema "
                f"{settings.schema_name} (TAGPULSE_POSTGRES__SCHEMA_NAME): set both to those that `tagpulse worker store` writes to"
            )


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
