"""Classify errors of PostgreSQL: wait and retry, give up, or reject a row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from streams.errors import Refused, SettingsError, TagpulseError, Unavailable
from streams.sinks.postgres.login import VARIABLE

_DISK_FULL = "53100"
_READ_ONLY = "25006"
# check_violation, raised for a missing partition; our only check, on forgotten_posts.what, always gets valid values
_NO_PARTITION = "23514"
_UNAVAILABLE_CLASSES = ("08", "40", "53", "55", "57", "58")
_UNAVAILABLE = (_READ_ONLY, "25P03", "25P04", _NO_PARTITION)
_FORBIDDEN = "42501"
_MISSING = ("42P01", "42703", "42883", "3F000")
_DATA_CLASSES = ("22", "23", "54")
_MIGRATE = "have the owner of the database run `tagpulse postgres migrate`"


def is_about_rows(error: psycopg.Error) -> bool:
    """Return whether the rows caused the error, such as a value that PostgreSQL cannot store or index."""
    code = error.sqlstate
    if code is None:
        return isinstance(error, psycopg.DataError)
    return code.startswith(_DATA_CLASSES) and code != _NO_PARTITION


def text_of(error: psycopg.Error) -> str:
    """Return the message of the error as one line."""
    return " ".join((error.diag.message_primary or str(error)).split())


def translate(error: psycopg.Error) -> TagpulseError | None:
    """Return the error as a TagpulseError, or None if it is an internal error of tagpulse."""
    code, text = error.sqlstate, text_of(error)
    if code == _DISK_FULL:
        return Unavailable(f"the disk of PostgreSQL is full: {text}: free some space")
    if code == _READ_ONLY:
        return Unavailable(f"PostgreSQL is read-only, perhaps after a fail-over or because its disk is full: {text}")
    if code is None and not isinstance(error, psycopg.OperationalError):
        return None
    if code is None or code in _UNAVAILABLE or code.startswith(_UNAVAILABLE_CLASSES):
        return Unavailable(f"PostgreSQL is unavailable: {text}")
    if code.startswith(("28", "3D")):
        return Refused(f"PostgreSQL refused the login: {text}: fix {VARIABLE}")
    if code == _FORBIDDEN:
        return Refused(f"PostgreSQL denied access: {text}: make the user a member of tagpulse_writer, or {_MIGRATE}")
    if code in _MISSING:
        return SettingsError(
            f"TAGPULSE_POSTGRES__SCHEMA_NAME: a table or function that the sink needs is missing: {text}: {_MIGRATE}"
        )
    return None


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of PostgreSQL into Unavailable, Refused or SettingsError; re-raise any others unchanged."""
    try:
        yield
    except psycopg.Error as error:
        known = translate(error)
        if known is None:
            raise
        raise known from error
