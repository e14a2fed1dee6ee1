"""Connect to PostgreSQL with the session settings that the sink needs."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from streams.errors import Refused, SettingsError, Unavailable
from streams.settings import PostgresSettings
from streams.settings.types import is_local
from streams.sinks.postgres.faults import text_of, translated_errors
from streams.sinks.postgres.login import (
    VARIABLE,
    certificate_fault,
    check,
    is_unmet_requirement,
    needs_password,
    refused_code,
    speaks_no_tls,
)
from streams.text.safe_text import without_secrets

logger = logging.getLogger(__name__)

LOCK_CLASS = 0x7A6701
"""The first key of tagpulse's advisory locks; the second key is one of the constants below.

The lock of a run has a single key instead, a hash of the run's name with this number as the seed.
"""
FORGET_LOCK = 0
MONTHS_LOCK = 1
MIGRATE_LOCK = 2

# authorisation, an unknown database, no right to connect, a value in the DSN that the server rejects
_REFUSED_LOGINS = ("28", "3D", "42", "22", "0A")
_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"

# A frozen writer must not hold its locks indefinitely, nor may a vanished server block its clients.
_SESSION = """
set idle_in_transaction_session_timeout = '60s';
set lock_timeout = '30s';
set timezone = 'UTC';
set jit = off;
set client_min_messages = notice;
"""
_DEFAULTS = {
    "application_name": "tagpulse",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "client_encoding": "UTF8",
}


def parameters(settings: PostgresSettings) -> dict[str, Any]:
    """Return the connection parameters for libpq.

    If the DSN names several hosts, the one that accepts writes is used, unless the DSN says otherwise.

    Raises:
        SettingsError: The DSN is missing or invalid. The message never contains the DSN, which may include a password.
    """
    if settings.dsn is None:
        raise SettingsError(f"{VARIABLE} is not set: set it to {_EXAMPLE}")
    try:
        given = conninfo_to_dict(settings.dsn.get_secret_value())
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        raise SettingsError(f"{VARIABLE} is not a valid connection string: use the form {_EXAMPLE}") from None
    several = {"target_session_attrs": "read-write"} if "," in str(given.get("host", given.get("hostaddr", ""))) else {}
    merged = _DEFAULTS | several | given
    check(merged, settings.dsn.get_secret_value())
    return merged


def _login(given: dict[str, Any]) -> psycopg.Connection:
    """Open a connection. Raises Refused with the server's message, SettingsError, Unavailable and psycopg's errors."""
    try:
        return psycopg.connect(**given, autocommit=True)
    except psycopg.OperationalError as error:
        text = without_secrets(text_of(error), str(given.get("password") or ""))
        if speaks_no_tls(given):
            raise SettingsError(
                f"{VARIABLE} requires TLS (sslmode={given['sslmode']}), but the server does not offer it: "
                "enable TLS on the server"
            ) from None
        if fault := certificate_fault(given):
            raise SettingsError(
                f"{VARIABLE}: the certificate of the server cannot be verified (sslmode={given['sslmode']}): {fault}: "
                "name the certificate authority in sslrootcert, and the host as the certificate does"
            ) from None
        if is_unmet_requirement(text):
            raise SettingsError(
                f"{VARIABLE}: the server does not log in as channel_binding and require_auth demand: {text}: "
                "change them, or the method in the server's pg_hba.conf"
            ) from None
        if needs_password(error.pgconn) or (refused_code(given) or "").startswith(_REFUSED_LOGINS):
            raise Refused(f"PostgreSQL refused the login: {text}: fix {VARIABLE}") from None
        raise Unavailable(f"PostgreSQL is unavailable: {text}") from None


def connect(settings: PostgresSettings) -> psycopg.Connection:
    """Return a connection in autocommit mode, with the schema of the settings as its search path.

    Raises Unavailable, Refused and SettingsError.
    """
    with translated_errors():
        connection = _login(parameters(settings))
        connection.add_notice_handler(lambda notice: logger.warning("PostgreSQL: %s", notice.message_primary))
        connection.execute(_SESSION)
        connection.execute(sql.SQL("set search_path = {}").format(sql.Identifier(settings.schema_name)))
    database, encoding = connection.info.dbname, connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise Refused(f"the database {database} has the encoding {encoding}, but posts need UTF8")
    if not connection.pgconn.ssl_in_use and not is_local(connection.info.host):
        logger.warning(
            "PostgreSQL on %s is reached without TLS, so posts cross the network unencrypted: "
            "set sslmode=verify-full in %s to require TLS (docs/postgres.md)",
            connection.info.host,
            VARIABLE,
        )
    return connection
