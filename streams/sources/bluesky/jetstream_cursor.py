"""The cursor of a Jetstream feed, and the choice of a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from streams.errors import SettingsError

_US_PER_SECOND = 1_000_000
_LEAST_TIME = 10**15  # smaller cursors are sequence numbers


class JetstreamCursor(NamedTuple):
    """A position in the feed."""

    time_us: int
    seq: int | None = None
    host: str = ""
    """The server that gave `seq`."""

    @property
    def text(self) -> str:
        """The saved form: the time alone, or the time, sequence number and server."""
        return f"{self.time_us} {self.seq} {self.host}" if self.seq is not None else str(self.time_us)

    @property
    def made_at(self) -> datetime:
        """Time of the position, by the server's clock."""
        return datetime.fromtimestamp(self.time_us / _US_PER_SECOND, UTC)


def read_cursor(text: str) -> JetstreamCursor:
    """Parse the text of a JetstreamCursor.

    Raises:
        SettingsError: The text is not a cursor.
    """
    time_us, *rest = text.split(" ")
    is_valid = time_us.isascii() and time_us.isdigit() and len(time_us) < 18
    if is_valid and not rest:
        return JetstreamCursor(int(time_us))
    if is_valid and len(rest) == 2 and rest[0].isascii() and rest[0].isdigit() and int(rest[0]) < _LEAST_TIME:
        return JetstreamCursor(int(time_us), int(rest[0]), rest[1])
    raise SettingsError(
        f"TAGPULSE_PRODUCE__STATE_PATH: the saved cursor {text[:100]!r} is not a Bluesky cursor: "
        "delete its file to start without it"
    )


class Servers:
    """The configured servers, one of which is in use; another one takes over if it cannot be reached."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._index = 0
        self._refused: set[int] = set()
        self._worked = False

    @property
    def current(self) -> str:
        """URL of the server in use."""
        return self._urls[self._index]

    @property
    def host(self) -> str:
        return urlsplit(self.current).netloc

    @property
    def several(self) -> bool:
        return len(self._urls) > 1

    def works(self) -> None:
        """Record that the server in use sent something."""
        self._worked = True
        self._refused.clear()

    def refuses(self) -> bool:
        """Record a permanent refusal; return whether all servers have refused."""
        self._refused.add(self._index)
        return len(self._refused) == len(self._urls)

    def fails(self) -> None:
        """Record a lost connection: a server that worked gets another chance, otherwise the next one is used."""
        if not self._worked:
            self._index = (self._index + 1) % len(self._urls)
        self._worked = False
