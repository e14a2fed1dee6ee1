"""/healthz, /readyz and /metrics respond over real HTTP."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from streams import health as health_module
from streams import metrics
from streams.errors import SettingsError
from streams.health import Health
from streams.processes.broker import free_port
from streams.settings import MetricsSettings
from tests.helpers.processes import wait_until


def _get(url: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def reasons() -> list[str]:
    return []


@pytest.fixture
def health(reasons: list[str]) -> Iterator[Health]:
    server = Health(MetricsSettings(port=0), "test", lambda: reasons[0] if reasons else None)
    server.start()
    yield server
    server.stop()


def test_it_answers_while_ready_and_not(health: Health, reasons: list[str]) -> None:
    assert _get(f"{health.address}/healthz") == (200, "alive\n")
    assert _get(f"{health.address}/readyz") == (200, "ready\n")
    reasons.append("stalled")
    assert _get(f"{health.address}/healthz") == (200, "alive\n")
    assert _get(f"{health.address}/readyz") == (503, "not ready: stalled\n")
    assert _get(f"{health.address}/else")[0] == 404


def test_metrics_are_in_the_format_of_prometheus(health: Health) -> None:
    metrics.DELETIONS.labels("test").inc()
    status, text = _get(f"{health.address}/metrics")
    assert status == 200
    assert 'tagpulse_deletions_total{run="live",source="test"}' in text
    assert 'tagpulse_build_info{role="test"' in text


def test_a_port_in_use_gives_way_to_the_next_with_a_warning(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    port = int(health.address.rpartition(":")[2])
    second = Health(MetricsSettings(port=port), "test")
    with caplog.at_level(logging.WARNING):
        second.start()
    try:
        assert second.address != health.address
        assert _get(f"{second.address}/readyz")[0] == 200
        assert f"TAGPULSE_METRICS__PORT: port {port} is in use" in caplog.text
    finally:
        second.stop()


def test_each_of_several_processes_has_its_own_port() -> None:
    port = free_port()
    server = Health(MetricsSettings(port=port), "test")
    server.start(port_offset=1)
    try:
        assert int(server.address.rpartition(":")[2]) >= port + 1
    finally:
        server.stop()


def test_an_address_of_another_machine_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_METRICS__HOST"):
        Health(MetricsSettings(host="192.0.2.1"), "test").start()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9808", "[::1]:9808", "10.0.0.7", "localhost", "produce:9808", "tagpulse-enrich-2:9808", "tagpulse_store:9808",
     "enrich.tagpulse.svc", "enrich.tagpulse.svc.cluster.local:9808", "host.docker.internal", "a.localhost:1", "Node1.Example.COM.:9808"],
)  # fmt: skip
def test_scrapers_and_probes_may_ask(host: str) -> None:
    with _serving(names="node2.example.com, node1.example.com") as health:
        assert _get(f"{health.address}/metrics", host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9808", "127.0.0.1.evil.example", "local.example", "[::1", "a.b:x"]
)
def test_a_web_page_that_points_its_own_name_here_reads_nothing(health: Health, host: str) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        status, text = _get(f"{health.address}{path}", host)
        assert (status, "TAGPULSE_METRICS__NAMES" in text) == (421, True)


def test_a_client_that_names_no_host_may_ask(health: Health) -> None:
    with _connect(health) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.recv(1_000).startswith(b"HTTP/1.0 200")


def test_idle_connections_do_not_lock_out_others(health: Health) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(_connect(health)) for _ in range(200)]
        for connection in idle[::2]:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert _get(f"{health.address}/healthz") == (200, "alive\n")
        wait_until(lambda: _threads() <= 10)
        for connection in idle[:100]:
            assert _is_closed(connection)


def test_a_connection_that_sends_single_bytes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_MAX_SECONDS", 0.3)
    with _serving() as health, _connect(health) as connection:

        def ended() -> bool:
            try:
                connection.sendall(b"G")
            except OSError:
                return True
            return False

        wait_until(ended)


def test_a_connection_whose_client_does_not_read_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health_module, "_MAX_SECONDS", 0.3)
    answers: list[str] = []

    def endless() -> str:
        answers.append("x" * 2**24)
        return answers[-1]

    server = Health(MetricsSettings(port=0), "test", endless)
    server.start()
    try:
        with _connect(server) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            wait_until(lambda: bool(answers))
            wait_until(lambda: _threads() == 0)
    finally:
        server.stop()


@contextlib.contextmanager
def _serving(**settings: Any) -> Iterator[Health]:
    server = Health(MetricsSettings(port=0, **settings), "test")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _connect(health: Health) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(health.address.rpartition(":")[2])), timeout=5)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def _threads() -> int:
    """Return the number of threads that serve a connection."""
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())
