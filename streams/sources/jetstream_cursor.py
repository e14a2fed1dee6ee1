"""Where a feed of the Jetstream goes on, and on which server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect as connect_to_websocket
from websockets.typing import Subprotocol

from streams.errors import SettingsError
from streams.sources.jetstream import POSTS, REPOSTS

MAX_FRAME_BYTES = 16 * 2**20
_CLOSE_SECONDS = 1.0
_OPEN_SECONDS = 20.0
_US_PER_SECOND = 1_000_000
_LEAST_TIME = 10**15  # smaller cursors are numbers of frames
_VERSION_2 = "subscribeEvents"
_SUBPROTOCOL = Subprotocol("xrpc.v1.json")


class Cursor(NamedTuple):
    """A place in the feed."""

    time_us: int
    seq: int | None = None
    host: str = ""
    """The server that gave `seq`."""

    @property
    def text(self) -> str:
        """What is saved: the time alone, or time, number and server."""
        return f"{self.time_us} {self.seq} {self.host}" if self.seq is not None else str(self.time_us)

    @property
    def made_at(self) -> datetime:
        """By the server's clock."""
        return datetime.fromtimestamp(self.time_us / _US_PER_SECOND, UTC)


def read_cursor(text: str) -> Cursor:
    """Reads what `Cursor.text` wrote. Raises SettingsError."""
    time_us, *rest = text.split(" ")
    sound = time_us.isascii() and time_us.isdigit() and len(time_us) < 18
    if sound and not rest:
        return Cursor(int(time_us))
    if sound and len(rest) == 2 and rest[0].isascii() and rest[0].isdigit() and int(rest[0]) < _LEAST_TIME:
        return Cursor(int(time_us), int(rest[0]), rest[1])
    raise SettingsError(f"produce.state_path: {text[:100]!r} is no cursor of Bluesky: remove it to start anew")


def connect_to(url: str, cursor: int | None, *, reposts: bool) -> connect_to_websocket:
    """A connection that asks for posts from a cursor on, in the version of the protocol that the address speaks."""
    parts = urlsplit(url)
    collections = [POSTS, *([REPOSTS] if reposts else [])]
    is_version_2 = _VERSION_2 in parts.path
    name = "collections" if is_version_2 else "wantedCollections"
    query = [*parse_qsl(parts.query), *((name, collection) for collection in collections)]
    if is_version_2:
        query += [("kinds", "commit"), ("kinds", "account")]
    if cursor is not None:
        query.append(("cursor", str(cursor)))
    return connect_to_websocket(
        urlunsplit(parts._replace(query=urlencode(query))),
        subprotocols=[_SUBPROTOCOL] if is_version_2 else None,
        open_timeout=_OPEN_SECONDS,
        close_timeout=_CLOSE_SECONDS,
        max_size=MAX_FRAME_BYTES,
        # while Kafka is away nothing is read, so no answer to a ping would be seen; silence is noticed by the reader
        ping_interval=None,
    )


class Servers:
    """Several servers of one network, one in use: it gives way when it cannot be reached."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._index = 0
        self._refused: set[int] = set()
        self._worked = False

    @property
    def current(self) -> str:
        """The address in use."""
        return self._urls[self._index]

    @property
    def host(self) -> str:
        return urlsplit(self.current).netloc

    @property
    def several(self) -> bool:
        return len(self._urls) > 1

    def works(self) -> None:
        """Something came from it."""
        self._worked = True
        self._refused.clear()

    def refuses(self) -> bool:
        """It says no for good; returns whether all of them did."""
        self._refused.add(self._index)
        return len(self._refused) == len(self._urls)

    def fails(self) -> None:
        """The connection is lost: one that worked gets another chance, one that did not gives way to the next."""
        if not self._worked:
            self._index = (self._index + 1) % len(self._urls)
        self._worked = False
