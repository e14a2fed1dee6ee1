"""The WebSocket of a Jetstream: its request, and limits on the work and memory that a server can cause."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import CloseCode, Frame, Opcode
from websockets.typing import Subprotocol

from streams.sources.bluesky.jetstream import POSTS, REPOSTS

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 16 * 2**20
"""A larger frame ends the connection, so this is more than any author can cause: a record holds 1 MiB."""
_CLOSE_SECONDS = 1.0
_OPEN_SECONDS = 20.0
_MAX_PINGS = 100
_PINGS_SECONDS = 10.0
_VERSION_2 = "subscribeEvents"
_SUBPROTOCOL = Subprotocol("xrpc.v1.json")


class Connect(connect):
    """An awaitable connection that requests posts from a cursor on, in the protocol version that the URL implies.

    Redirects are not followed: like every response that is not a WebSocket, they raise `InvalidStatus`.
    """

    def __init__(self, url: str, cursor: int | None, *, reposts: bool) -> None:
        parts = urlsplit(url)
        collections = [POSTS, *([REPOSTS] if reposts else [])]
        is_version_2 = _VERSION_2 in parts.path
        name = "collections" if is_version_2 else "wantedCollections"
        query = [*parse_qsl(parts.query), *((name, collection) for collection in collections)]
        if is_version_2:
            query += [("kinds", "commit"), ("kinds", "account")]
        if cursor is not None:
            query.append(("cursor", str(cursor)))
        super().__init__(
            urlunsplit(parts._replace(query=urlencode(query))),
            subprotocols=[_SUBPROTOCOL] if is_version_2 else None,
            # 16 kB could expand to 16 MiB
            compression=None,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            max_size=MAX_FRAME_BYTES,
            # while Kafka is unavailable nothing is read, so pongs would go unseen; the reader detects silence itself
            ping_interval=None,
            # counted in frames, each of which may have the maximum size
            max_queue=(1, 0),
            create_connection=_Connection,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Connection(ClientConnection):
    """A connection that ends if the server sends too many pings, or does not read the pongs.

    The library answers every ping, buffers the pongs until they are read, and does nothing else meanwhile.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pings = 0
        self._since = self.loop.time()

    def process_event(self, event: Any) -> None:
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            now = self.loop.time()
            if now - self._since > _PINGS_SECONDS:
                self._pings, self._since = 0, now
            self._pings += 1
            if self._pings > _MAX_PINGS:
                self._give_up(f"more than {_MAX_PINGS} pings in {_PINGS_SECONDS:g} s")

    def pause_writing(self) -> None:
        super().pause_writing()
        # we send nothing else that it could leave unread
        self._give_up("the server does not read the pongs for its pings")

    def _give_up(self, reason: str) -> None:
        if not self.transport.is_closing():
            self.protocol.fail(CloseCode.POLICY_VIOLATION, reason)
            self.transport.abort()
