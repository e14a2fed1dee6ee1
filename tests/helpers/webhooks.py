"""A web server on 127.0.0.1 that records what is posted to it, and gives the replies that a test scripts."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """One reply; `cut` closes the connection without a reply once the request has been read."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    seconds: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Request:
    """A received request; the names of its headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    reply: Reply

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebhookServer:
    """`with WebhookServer() as server:`; it gives the replies of `script` first, then `Reply()` to all requests."""

    def __init__(self, *script: Reply, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.script = deque(script)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply = owner.script.popleft() if owner.script else Reply()
                headers = {name.lower(): value for name, value in self.headers.items()}
                owner.requests.append(Request(self.path, headers, body, time.monotonic(), reply))
                if reply.seconds:
                    time.sleep(reply.seconds)
                if reply.cut:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that did not wait for a slow answer

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Request]:
        """The requests that were answered with 200."""
        return [request for request in self.requests if request.reply.status == 200 and not request.reply.cut]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
