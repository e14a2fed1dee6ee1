"""Errors of PostgreSQL are waited out, end the worker, or concern single rows."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from streams.errors import Refused, SettingsError, TagpulseError, Unavailable
from streams.sinks.postgres.faults import is_about_rows, text_of, translate, translated_errors

MIGRATE = "have the owner of the database run `tagpulse postgres migrate`"


@pytest.mark.parametrize(
    ("kind", "known", "says"),
    [
        (errors.DiskFull, Unavailable, "the disk of PostgreSQL is full: words: free some space"),
        (errors.ReadOnlySqlTransaction, Unavailable, "PostgreSQL is read-only, perhaps after a fail-over"),
        (errors.AdminShutdown, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.CannotConnectNow, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.ConnectionFailure, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.DeadlockDetected, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.SerializationFailure, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.LockNotAvailable, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.TooManyConnections, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.OutOfMemory, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.IoError, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.IdleInTransactionSessionTimeout, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.CheckViolation, Unavailable, "PostgreSQL is unavailable: words"),
        (psycopg.OperationalError, Unavailable, "PostgreSQL is unavailable: words"),
        (errors.InvalidPassword, Refused, "PostgreSQL refused the login: words: fix TAGPULSE_POSTGRES__DSN"),
        (errors.InvalidCatalogName, Refused, "PostgreSQL refused the login: words: fix TAGPULSE_POSTGRES__DSN"),
        (errors.InsufficientPrivilege, Refused, "make the user a member of tagpulse_writer, or " + MIGRATE),
        (errors.UndefinedTable, SettingsError, "that the sink needs is missing: words: " + MIGRATE),
        (errors.UndefinedColumn, SettingsError, "TAGPULSE_POSTGRES__SCHEMA_NAME"),
        (errors.UndefinedFunction, SettingsError, "TAGPULSE_POSTGRES__SCHEMA_NAME"),
        (errors.InvalidSchemaName, SettingsError, "TAGPULSE_POSTGRES__SCHEMA_NAME"),
    ],
)
def test_errors_are_translated_by_their_code(kind: type[psycopg.Error], known: type[TagpulseError], says: str) -> None:
    error = kind("words")
    found = translate(error)
    assert type(found) is known
    assert says in str(found)
    with pytest.raises(known) as raised, translated_errors():
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "kind", [errors.SyntaxError, errors.UniqueViolation, psycopg.ProgrammingError, psycopg.InterfaceError]
)
def test_an_error_of_tagpulse_itself_is_raised_unchanged(kind: type[psycopg.Error]) -> None:
    error = kind("words")
    assert translate(error) is None
    with pytest.raises(kind) as raised, translated_errors():
        raise error
    assert raised.value is error


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(ValueError, match="words"), translated_errors():
        raise ValueError("words")


@pytest.mark.parametrize(
    ("kind", "is_about"),
    [
        (errors.UntranslatableCharacter, True),
        (errors.NumericValueOutOfRange, True),
        (errors.UniqueViolation, True),
        (errors.ProgramLimitExceeded, True),
        (psycopg.DataError, True),
        (errors.CheckViolation, False),  # the table of a month is missing
        (errors.DiskFull, False),
        (errors.UndefinedTable, False),
        (psycopg.OperationalError, False),
    ],
)
def test_rows_are_blamed_only_for_what_they_contain(kind: type[psycopg.Error], is_about: bool) -> None:
    assert is_about_rows(kind("words")) == is_about


def test_the_message_of_an_error_is_one_line() -> None:
    assert text_of(psycopg.OperationalError("connection failed:\n\tIs the server\n running? ")) == (
        "connection failed: Is the server running?"
    )


def test_the_message_comes_from_the_server(dsn: str) -> None:
    with psycopg.connect(dsn) as connection, pytest.raises(errors.UndefinedTable) as raised:
        connection.execute("select * from nowhere")
    assert text_of(raised.value) == 'relation "nowhere" does not exist'
