"""Where a feed of the Jetstream goes on, and on which server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from streams.errors import SettingsError

_US_PER_SECOND = 1_000_000
_LEAST_TIME = 10**15  # smaller cursors are numbers of frames


class JetstreamCursor(NamedTuple):
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


def read_cursor(text: str) -> JetstreamCursor:
    """Reads what `Cursor.text` wrote. Raises SettingsError."""
    time_us, *rest = text.split(" ")
    sound = time_us.isascii() and time_us.isdigit() and len(time_us) < 18
    if sound and not rest:
        return JetstreamCursor(int(time_us))
    if sound and len(rest) == 2 and rest[0].isascii() and rest[0].isdigit() and int(rest[0]) < _LEAST_TIME:
        return JetstreamCursor(int(time_us), int(rest[0]), rest[1])
    raise SettingsError(f"produce.state_path: {text[:100]!r} is no cursor of Bluesky: remove it to start anew")


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
