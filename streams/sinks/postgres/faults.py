"""What an error of PostgreSQL means for the caller: wait, give up, or a row that it can never keep."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from streams.errors import Refused, SettingsError, TagpulseError, Unavailable
from streams.sinks.postgres.login import VARIABLE

_DISK_FULL = "53100"
_READ_ONLY = "25006"
_NO_PARTITION = "23514"  # a missing partition; the only check of ours, forgotten_posts.what, gets constants
_AWAY_CLASSES = ("08", "40", "53", "55", "57", "58")
_AWAY = (_READ_ONLY, "25P03", "25P04", _NO_PARTITION)
_FORBIDDEN = "42501"
_MISSING = ("42P01", "42703", "42883", "3F000")
_DATA_CLASSES = ("22", "23", "54")
_MIGRATE = "the owner of the database runs `tagpulse postgres migrate`"


def is_about_rows(error: psycopg.Error) -> bool:
    """Whether the rows are at fault: a value that PostgreSQL cannot hold, one that is too large for an index."""
    code = error.sqlstate
    if code is None:
        return isinstance(error, psycopg.DataError)
    return code.startswith(_DATA_CLASSES) and code != _NO_PARTITION


def text_of(error: psycopg.Error) -> str:
    """The error in one line."""
    return " ".join((error.diag.message_primary or str(error)).split())


def translated(error: psycopg.Error) -> TagpulseError | None:
    """The error as one of ours, None when it is a fault of tagpulse."""
    code, text = error.sqlstate, text_of(error)
    if code == _DISK_FULL:
        return Unavailable(f"the disk of PostgreSQL is full: {text}: free some space")
    if code == _READ_ONLY:
        return Unavailable(f"this PostgreSQL only reads, after a fail-over or a full disk: {text}")
    if code is None and not isinstance(error, psycopg.OperationalError):
        return None
    if code is None or code in _AWAY or code.startswith(_AWAY_CLASSES):
        return Unavailable(f"PostgreSQL is away: {text}")
    if code.startswith(("28", "3D")):
        return Refused(f"PostgreSQL refuses the login: {text}: mend {VARIABLE}")
    if code == _FORBIDDEN:
        return Refused(f"PostgreSQL refuses: {text}: make the user a member of tagpulse_writer, or {_MIGRATE}")
    if code in _MISSING:
        return SettingsError(f"TAGPULSE_POSTGRES__SCHEMA_NAME: what the sink needs is not there: {text}: {_MIGRATE}")
    return None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raises errors of PostgreSQL as Unavailable, Refused or SettingsError; what is none of these as it is."""
    try:
        yield
    except psycopg.Error as error:
        known = translated(error)
        if known is None:
            raise
        raise known from error
