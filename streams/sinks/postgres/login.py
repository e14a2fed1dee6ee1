"""Find out why a connection to PostgreSQL fails.

libpq reports a failed login only as a text in the language of the server.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Error, ProgrammingError, pq
from psycopg.conninfo import conninfo_attempts, make_conninfo, timeout_from_conninfo

from streams.errors import SettingsError

VARIABLE = "TAGPULSE_POSTGRES__DSN"
_SECONDS = 10.0
_TLS = ("require", "verify-ca", "verify-full")
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)
_ERROR_CODE = re.compile(rb'\tErrorResponse\t.*? C "([0-9A-Z]{5})"', re.DOTALL)
_MAX_PORT = 65_535


def check(parameters: Mapping[str, Any], dsn: str) -> None:
    """Raise SettingsError if libpq rejects the parameters, without contacting the server or revealing any value."""
    is_misparsed = "@" in f"{parameters.get('host') or ''}{parameters.get('dbname') or ''}"
    ports = str(parameters.get("port") or "").split(",")
    if (dsn.startswith(("postgresql://", "postgres://")) and is_misparsed) or not all(map(_is_port, ports)):
        raise SettingsError(
            f"{VARIABLE}: the host or the port is invalid; a port is a number from 1 to {_MAX_PORT}, and special "
            "characters in a password must be escaped: @ as %40, / as %2F, : as %3A, # as %23, ? as %3F and % as %25"
        )
    try:
        timeout_from_conninfo(dict(parameters))
    except ProgrammingError as error:
        raise SettingsError(f"{VARIABLE}: {error}") from None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        local = {"host": "127.0.0.1", "hostaddr": "127.0.0.1", "port": listener.getsockname()[1]}
        connection = pq.PGconn.connect_start(make_conninfo(**{**parameters, **local}).encode())
        refused = connection.status == pq.ConnStatus.BAD
        text = " ".join(connection.get_error_message().split())
        connection.finish()
    if refused:
        raise SettingsError(f"{VARIABLE}: {text}")


def refused_code(parameters: Mapping[str, Any]) -> str | None:
    """Return the SQLSTATE with which a server refuses the login, or None if no server does."""
    codes = [_code(each) for each in _attempts(parameters)]
    return codes[-1] if codes else None


def speaks_no_tls(parameters: Mapping[str, Any]) -> bool:
    """Return whether the parameters require TLS and a server does not offer it."""
    if parameters.get("sslmode") not in _TLS:
        return False
    return any(map(_has_no_tls, _attempts(parameters)))


def needs_password(connection: pq.abc.PGconn | None) -> bool:
    """Return whether the server asked for a password and none was given."""
    return connection is not None and bool(connection.needs_password)


def _attempts(parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the parameters for each address of each host; none if no host name can be resolved."""
    try:
        return conninfo_attempts(dict(parameters))
    except Error:
        return []


def _is_port(text: str) -> bool:
    return not text or (
        text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_PORT)) and 0 < int(text) <= _MAX_PORT
    )


def _code(parameters: Mapping[str, Any]) -> str | None:
    # the trace contains the error code, whatever the language; the file is unnamed, so that nothing is left behind
    with tempfile.TemporaryFile() as trace:
        connection = pq.PGconn.connect_start(make_conninfo(**parameters).encode())
        try:
            connection.trace(trace.fileno())
            _wait(connection)
            connection.untrace()
        except (OSError, NotImplementedError):
            return None
        finally:
            connection.finish()
        trace.seek(0)
        codes = _ERROR_CODE.findall(trace.read())
    return codes[-1].decode() if codes else None


def _wait(connection: pq.abc.PGconn) -> None:
    until = time.monotonic() + _SECONDS
    polled: int = pq.PollingStatus.WRITING
    while polled in (pq.PollingStatus.READING, pq.PollingStatus.WRITING) and (left := until - time.monotonic()) > 0:
        if connection.status == pq.ConnStatus.BAD:
            return
        reading = polled == pq.PollingStatus.READING
        sockets = [connection.socket]
        select.select(sockets if reading else [], [] if reading else sockets, [], left)
        polled = connection.connect_poll()


def _has_no_tls(parameters: Mapping[str, Any]) -> bool:
    host = str(parameters.get("hostaddr") or parameters.get("host") or "")
    if not host or host.startswith("/"):
        return False
    try:
        with socket.create_connection((host, int(parameters.get("port") or 5432)), _SECONDS) as server:
            server.sendall(_SSL_REQUEST)
            return server.recv(1) == b"N"
    except OSError:
        return False
