"""Find out why a connection to PostgreSQL fails.

libpq reports a failed login only as a text in the language of the server.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg import Error, ProgrammingError, pq
from psycopg.conninfo import conninfo_attempts, make_conninfo, timeout_from_conninfo

from streams.errors import SettingsError

VARIABLE = "TAGPULSE_POSTGRES__DSN"
_SECONDS = 10.0
_VERIFIED = ("verify-ca", "verify-full")
_TLS = ("require", *_VERIFIED)
_ROOT_CERTIFICATE = "~/.postgresql/root.crt"  # libpq's default
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)
_ERROR_CODE = re.compile(rb'\tErrorResponse\t.*? C "([0-9A-Z]{5})"', re.DOTALL)
_MAX_PORT = 65_535
# libpq's own words, which are English because Python leaves LC_MESSAGES at "C"
_UNMET = ("failed: channel binding required", 'failed: authentication method requirement "')


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


def certificate_fault(parameters: Mapping[str, Any]) -> str | None:
    """Return why the certificate of a server cannot be verified as the parameters require, or None if it can be."""
    mode = parameters.get("sslmode")
    trusted = str(parameters.get("sslrootcert") or Path(_ROOT_CERTIFICATE).expanduser())
    # libpq verifies the certificate for "require" too if there is a root certificate
    if mode not in _VERIFIED and not (mode == "require" and Path(trusted).is_file()):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    try:
        if trusted == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(trusted)
    except (OSError, ssl.SSLError) as error:
        return f"{trusted}: {error.strerror or error}"
    return next(filter(None, (_handshake_fault(each, context) for each in _attempts(parameters))), None)


def needs_password(connection: pq.abc.PGconn | None) -> bool:
    """Return whether the server asked for a password and none was given."""
    return connection is not None and bool(connection.needs_password)


def is_unmet_requirement(text: str) -> bool:
    """Return whether libpq broke the login off because of channel_binding or require_auth in the parameters."""
    return any(words in text for words in _UNMET)


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
    with contextlib.suppress(OSError), _ask_for_tls(parameters) as server:
        return server is not None and server.recv(1) == b"N"
    return False


def _handshake_fault(parameters: Mapping[str, Any], context: ssl.SSLContext) -> str | None:
    try:
        with _ask_for_tls(parameters) as server:
            if server is not None and server.recv(1) == b"S":
                context.wrap_socket(
                    server, server_hostname=str(parameters.get("host") or parameters["hostaddr"])
                ).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        pass  # the server is away, or ended the handshake for another reason
    return None


@contextlib.contextmanager
def _ask_for_tls(parameters: Mapping[str, Any]) -> Iterator[socket.socket | None]:
    """Ask a server whether it offers TLS, and yield the connection; None for a Unix socket, which has no TLS."""
    host = str(parameters.get("hostaddr") or parameters.get("host") or "")
    if not host or host.startswith("/"):
        yield None
        return
    with socket.create_connection((host, int(parameters.get("port") or 5432)), _SECONDS) as server:
        server.sendall(_SSL_REQUEST)
        yield server
