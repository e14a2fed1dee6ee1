"""Splits the bytes of an HTTP response into lines, and lines into server-sent events, in bounded memory.

httpx-sse buffers lines and events of any size, hence this reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class TooLong(NamedTuple):
    """The start of a line or event that exceeded the limit, and its full size in bytes."""

    begin: bytes
    size: int


class LineSplitter:
    """Splits a stream of bytes, which arrives in pieces of any size, into lines that end with LF or CR LF."""

    def __init__(self, limit: int) -> None:
        """Start with an empty buffer; lines of more than `limit` bytes are returned as TooLong."""
        self._limit = limit
        self._rest = bytearray()
        self._lost = 0

    def feed(self, data: bytes) -> Iterator[bytes | TooLong]:
        """Yield the lines that `data` completes, without their line ends."""
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
    """Assembles events from the lines of a `text/event-stream`; comments, ids and retry times are ignored."""

    def __init__(self, limit: int) -> None:
        """Start with an empty buffer; events with more than `limit` bytes of data are returned as TooLong."""
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._name = ""
        self._data = bytearray()
        self._size = 0
        self._lost = False

    def feed(self, line: bytes | TooLong) -> Event | TooLong | None:
        """Return the event that a line completes, or None if it completes none."""
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
    """Return an event as sent over the wire, which is the form kept in recordings."""
    lines = b"\ndata: ".join(data.split(b"\n"))
    return b"event: " + name.encode() + b"\ndata: " + lines


def parse_event_frame(frame: bytes) -> Event | TooLong | None:
    """Parse the result of `event_frame`; return None if it is not an event."""
    reader = EventReader(len(frame))
    for line in frame.split(b"\n"):
        if line:
            reader.feed(line)
    return reader.feed(b"")
