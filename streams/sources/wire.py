"""Bytes of an HTTP response become lines, and lines become events; nothing a server sends grows without bound.

httpx-sse keeps a line, and an event, of any size in memory until it ends: hence a reader of our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class TooLong(NamedTuple):
    """A line, or an event, longer than the limit: its first bytes, and how many it had."""

    begin: bytes
    size: int


class LineSplitter:
    """Cuts a stream of bytes into lines, wherever its pieces end; a line ends with LF or CR LF."""

    def __init__(self, limit: int) -> None:
        """`limit`: the longest line that is kept whole, in bytes."""
        self._limit = limit
        self._rest = bytearray()
        self._lost = 0

    def feed(self, data: bytes) -> Iterator[bytes | TooLong]:
        """The lines that `data` ends, without their ends."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._keep(piece)
            line, lost = bytes(self._rest), self._lost
            self._rest.clear()
            self._lost = 0
            yield TooLong(line, len(line) + lost) if lost else line.removesuffix(b"\r")
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        room = max(0, self._limit - len(self._rest))
        self._rest += piece[:room]
        self._lost += max(0, len(piece) - room)


class Event(NamedTuple):
    """A server-sent event."""

    name: str
    data: bytes


class EventReader:
    """Puts lines of `text/event-stream` together; comments, ids and retry times are passed over."""

    def __init__(self, limit: int) -> None:
        """`limit`: the most bytes of data that an event may have."""
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._name = ""
        self._data = bytearray()
        self._size = 0
        self._lost = False

    def feed(self, line: bytes | TooLong) -> Event | TooLong | None:
        """The event that a line ends, None while there is none."""
        if isinstance(line, TooLong):
            self._add(line.begin, line.size)
            return None
        if not line:
            return self._end()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode("utf-8", "replace")[:100]
        elif field == b"data":
            self._add(value, len(value))
        return None

    def _add(self, value: bytes, size: int) -> None:
        self._size += size + 1
        if self._size > self._limit + 1 or size > len(value):
            self._lost = True
        if not self._lost or not self._data:
            self._data += value[: self._limit] + b"\n"

    def _end(self) -> Event | TooLong | None:
        name, data, size, lost = self._name, bytes(self._data[:-1]), self._size, self._lost
        self._clear()
        if not size:
            return None
        return TooLong(data, size) if lost else Event(name, data)


def event_frame(name: str, data: bytes) -> bytes:
    """An event as it stands on the wire: how a recording keeps it."""
    lines = b"\ndata: ".join(data.split(b"\n"))
    return b"event: " + name.encode() + b"\ndata: " + lines


def parse_event_frame(frame: bytes) -> Event | TooLong | None:
    """Reads what `event_frame` wrote; None when it is no event."""
    reader = EventReader(len(frame))
    for line in frame.split(b"\n"):
        if line:
            reader.feed(line)
    return reader.feed(b"")
