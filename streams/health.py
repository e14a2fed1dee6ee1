"""The /healthz, /readyz and /metrics endpoints of a process.

They are served from a thread of their own, so that they answer while the process is busy.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from importlib.metadata import version
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from streams import metrics
from streams.errors import SettingsError
from streams.settings import LIVE, MetricsSettings
from streams.settings.types import is_address

logger = logging.getLogger(__name__)

_PORTS_TRIED = 50
_MAX_CONNECTIONS = 8
_MAX_SECONDS = 10.0
_PRIVATE_DOMAINS = (".localhost", ".local", ".internal", ".svc")

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class _Server(ThreadingMixIn, WSGIServer):
    """An HTTP server that closes connections that last too long, and the oldest ones when there are too many.

    Idle clients must not lock out the others.
    """

    daemon_threads = True
    # binding a port on which another process listens must fail
    allow_reuse_port = False

    def __init__(self, *arguments: Any) -> None:
        self._connections: dict[socket.socket, float] = {}
        """Open connections, oldest first, with their start on the monotonic clock."""
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections[request] = time.monotonic()
            too_many = list(self._connections)[:-_MAX_CONNECTIONS]
            self._close(too_many)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        super().service_actions()
        limit = time.monotonic() - _MAX_SECONDS
        with self._lock:
            self._close([connection for connection, started in self._connections.items() if started < limit])

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("%s: connection lost", client_address, exc_info=True)

    def _close(self, connections: Iterable[socket.socket]) -> None:
        for connection in connections:
            del self._connections[connection]
            with contextlib.suppress(OSError):
                # wakes the connection's thread, which then closes the socket
                connection.shutdown(socket.SHUT_RDWR)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        logger.debug(format, *args)


class Health:
    """The health and metrics server of a process; `address` is set by `start`."""

    def __init__(
        self,
        settings: MetricsSettings,
        role: str,
        not_ready: Callable[[], str | None] = lambda: None,
        run: str = LIVE,
    ) -> None:
        """Prepare the server without listening yet.

        Args:
            settings: Where to listen, and the host names that clients may use.
            role: Role of the process, a label of the build metric.
            not_ready: Returns why the process is not ready, or None when it is.
            run: Name of the run, a label of every metric.
        """
        self._settings = settings
        self._role = role
        self._not_ready = not_ready
        own = (settings.host, socket.gethostname(), *settings.names.split(","))
        self._names = {name.strip().lower() for name in own}
        self._metrics = make_wsgi_app(metrics.of_run(run))
        self._server: WSGIServer | None = None
        self.address = ""

    def start(self, port_offset: int = 0) -> None:
        """Start listening `port_offset` above the port of the settings, or on the next free port.

        Raises:
            SettingsError: The address cannot be used.
        """
        metrics.BUILD.labels(version("tagpulse"), self._role).set(1)
        self._server = self._listen(port_offset)
        self.address = f"http://{self._settings.host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        logger.info("metrics and health on %s/metrics", self.address)

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _listen(self, port_offset: int) -> WSGIServer:
        host, wanted = self._settings.host, self._settings.port
        ports = [0] if wanted == 0 else range(wanted + port_offset, min(65_536, wanted + port_offset + _PORTS_TRIED))
        failure: OSError | OverflowError | None = None
        for port in ports:
            try:
                server = make_server(host, port, self._answer, server_class=_Server, handler_class=_QuietHandler)
            except (OSError, OverflowError) as error:
                failure = error
                continue
            if port != ports[0]:
                logger.warning(
                    "TAGPULSE_METRICS__PORT: port %d is in use; metrics and health are on port %d instead",
                    ports[0],
                    port,
                )
            return server
        raise SettingsError(
            f"TAGPULSE_METRICS__HOST, TAGPULSE_METRICS__PORT: cannot listen on {host}:{wanted}: {failure}; "
            "choose another address"
        )

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if not _is_accepted_host(environ.get("HTTP_HOST"), self._names):
            advice = "host name not accepted: add it to TAGPULSE_METRICS__NAMES"
            return _plain(start_response, HTTPStatus.MISDIRECTED_REQUEST, advice)
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            return _plain(start_response, HTTPStatus.OK, "alive")
        if path == "/readyz":
            reason = self._not_ready()
            if reason is None:
                return _plain(start_response, HTTPStatus.OK, "ready")
            return _plain(start_response, HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {reason}")
        return _plain(start_response, HTTPStatus.NOT_FOUND, "not found: use /metrics, /healthz or /readyz")


def _is_accepted_host(host: str | None, names: Collection[str]) -> bool:
    """Return whether the `Host` header of a request names this server.

    This prevents DNS rebinding: an attacker can point a public name at 127.0.0.1 or into a private network, so that
    browsers there send requests to this server and read the answers. Those requests carry the attacker's name. Clients
    that send no `Host` are not browsers.
    """
    if host is None:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return "." not in name or name.endswith(_PRIVATE_DOMAINS) or name in names or is_address(name)


def _plain(start_response: StartResponse, status: HTTPStatus, text: str) -> list[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode() + b"\n"]
