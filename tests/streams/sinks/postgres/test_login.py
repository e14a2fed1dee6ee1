"""A hopeless login to PostgreSQL is not retried, in any language of the server, and passwords are never shown."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from streams.errors import Refused, SettingsError, TagpulseError, Unavailable
from streams.settings import PostgresSettings
from streams.sinks.postgres.login import refused_code
from streams.sinks.postgres.session import connect, parameters
from tests.helpers.certificates import Authority, Certificate
from tests.helpers.postgres import PostgresServer


def _fails(dsn: str) -> TagpulseError:
    with pytest.raises(TagpulseError) as raised:
        connect(PostgresSettings(dsn=dsn)).close()
    return raised.value


def _close(server: PostgresServer) -> None:
    """Restrict logins: one role needs a password, one may not log in, and unknown roles have no entry."""
    server.execute("create role locked login password 'right'")
    server.execute("create role shut nologin")
    server.execute("create database closed")
    server.execute("revoke connect on database closed from public")
    server.execute("create role guest login")
    entries = ("postgres trust", "ghost trust", "shut trust", "guest trust", "locked scram-sha-256")
    (server.data / "pg_hba.conf").write_text(
        "".join(f"host all {user} 127.0.0.1/32 {method}\n" for user, method in (each.split() for each in entries))
    )
    server.execute("select pg_reload_conf()")


def test_a_refused_login_is_recognised_by_its_code(fresh_postgres: PostgresServer) -> None:
    _close(fresh_postgres)
    codes = {
        fresh_postgres.dsn(user="locked:wrong"): "28P01",
        fresh_postgres.dsn(user="ghost"): "28000",
        fresh_postgres.dsn(user="shut"): "28000",
        fresh_postgres.dsn(user="stranger"): "28000",
        fresh_postgres.dsn("none"): "3D000",
        fresh_postgres.dsn("closed", user="guest"): "42501",
    }
    for dsn, code in codes.items():
        assert refused_code(parameters(PostgresSettings(dsn=dsn))) == code
        assert isinstance(_fails(dsn), Refused), dsn
    assert isinstance(_fails(fresh_postgres.dsn(user="locked")), Refused), "without a password"


@contextmanager
def _serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that handles one connection after the other, and yield its port."""

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    handle(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@contextmanager
def _answering(code: str, words: str) -> Iterator[str]:
    """Run a server that answers every login with this error, and yield its DSN."""
    fields = b"".join(f"{field}\0".encode() for field in ("SFATAL", "VFATAL", f"C{code}", f"M{words}")) + b"\0"

    def refuse(client: socket.socket) -> None:
        client.recv(10_000)
        client.sendall(b"E" + struct.pack(">i", len(fields) + 4) + fields)

    with _serving(refuse) as port:
        yield f"postgresql://u:pw@127.0.0.1:{port}/db?sslmode=disable"


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("28P01", "Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", Refused),
        ("28000", "keine pg_hba.conf-Eintrag für Host", Refused),
        ("3D000", "Datenbank »db« existiert nicht", Refused),
        ("42501", "keine Berechtigung für Datenbank »db«", Refused),
        ("57P03", "das Datenbanksystem startet: password authentication failed", Unavailable),
        ("53300", "tut mir leid, schon zu viele Verbindungen: does not exist", Unavailable),
    ],
)
def test_the_language_of_the_server_does_not_matter(code: str, words: str, kind: type[TagpulseError]) -> None:
    with _answering(code, words) as dsn:
        assert type(_fails(dsn)) is kind


def test_a_full_or_starting_server_is_waited_for() -> None:
    with PostgresServer(max_connections="5", superuser_reserved_connections="3") as server:
        server.execute("create role guest login")
        guest = PostgresSettings(dsn=server.dsn(user="guest"))
        with connect(guest), connect(guest):
            assert isinstance(_fails(server.dsn(user="guest")), Unavailable)
        dsn = server.dsn()
        server.stop()
        assert isinstance(_fails(dsn), Unavailable)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_unsupported_tls_ends_the_wait(postgres: PostgresServer, mode: str) -> None:
    error = _fails(f"{postgres.dsn()}?sslmode={mode}")
    assert isinstance(error, SettingsError)
    assert f"sslmode={mode}" in str(error)


@pytest.mark.parametrize("demand", ["channel_binding=require", "require_auth=scram-sha-256"])
def test_an_unsupported_login_method_ends_the_wait(postgres: PostgresServer, demand: str) -> None:
    error = _fails(f"{postgres.dsn()}?{demand}")
    assert isinstance(error, SettingsError)
    assert "TAGPULSE_POSTGRES__DSN: the server does not log in" in str(error)


@contextmanager
def _with_certificate(certificate: Certificate) -> Iterator[int]:
    """Run a server that accepts TLS with a certificate and then says nothing more, and yield its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)

    def shake_hands(client: socket.socket) -> None:
        client.recv(8)
        client.sendall(b"S")
        context.wrap_socket(client, server_side=True).close()

    with _serving(shake_hands) as port:
        yield port


@pytest.mark.parametrize(
    ("names", "mode", "trusted", "kind"),
    [
        ("IP:127.0.0.1", "verify-full", True, Unavailable),
        ("DNS:other.example", "verify-ca", True, Unavailable),
        ("DNS:other.example", "verify-full", True, SettingsError),
        ("IP:127.0.0.1", "verify-ca", False, SettingsError),
        ("IP:127.0.0.1", "require", False, SettingsError),
    ],
)
def test_a_certificate_that_cannot_be_verified_ends_the_wait(
    tmp_path: Path, names: str, mode: str, trusted: bool, kind: type[TagpulseError]
) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "somebody")
    with _with_certificate(ours.sign("server", names)) as port:
        root = (ours if trusted else theirs).path
        error = _fails(f"postgresql://u:pw@127.0.0.1:{port}/db?sslmode={mode}&sslrootcert={root}")
    assert type(error) is kind, error
    if kind is SettingsError:
        assert f"sslmode={mode}" in str(error)


def test_a_missing_root_certificate_ends_the_wait(tmp_path: Path) -> None:
    with _with_certificate(Authority(tmp_path).sign("server")) as port:
        error = _fails(f"postgresql://u:pw@127.0.0.1:{port}/db?sslmode=verify-full&sslrootcert={tmp_path}/none.pem")
    assert type(error) is SettingsError
    assert "none.pem" in str(error)


@pytest.mark.parametrize(
    "options",
    [
        "sslmode=nonsense",
        "target_session_attrs=nonsense",
        "min_protocol_version=nonsense",
        "connect_timeout=x",
        "nonsense=1",
        "port=99999",
        "port=x",
    ],
)
def test_a_dsn_that_libpq_cannot_use_ends_the_wait(postgres: PostgresServer, options: str) -> None:
    error = _fails(f"{postgres.dsn()}?{options}")
    assert isinstance(error, SettingsError)
    assert "TAGPULSE_POSTGRES__DSN" in str(error)


@pytest.mark.parametrize(
    "password", ["hid/den", "hid@den", "hid#den", "hid?den", "hid:den", "hid%den", "hid den", "hid'den"]
)
def test_no_part_of_a_password_is_shown(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    caplog.set_level(logging.DEBUG)
    for dsn in (
        f"postgresql://u:{password}@127.0.0.1:1/x",
        f"postgresql://u:{password}@127.0.0.1:{postgres.port}/none",
        f"postgres://u:{password}@127.0.0.1/x",
        f"host=127.0.0.1 port=1 user=u password={password}",
        f"host=127.0.0.1 port=1 user=u password='{password}",
    ):
        shown = f"{_fails(dsn)} {caplog.text}"
        assert "hid" not in shown
        assert "den" not in shown.replace("denied", "")
