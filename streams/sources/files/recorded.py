"""Replays recordings through the parser of their network."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from streams.contracts import Post, utc_now
from streams.errors import BadInput
from streams.sources.base import Batch, Content, Parser, Unreadable
from streams.sources.files import lines
from streams.sources.files.source import FileSource
from streams.sources.recording import VERSION, RecordedFrame, RecordingHead

_MAX_LINE_BYTES = 24 * 2**20  # the largest frame of any network, in base64
_HEAD: msgspec.json.Decoder[RecordingHead] = msgspec.json.Decoder(RecordingHead)
_FRAME: msgspec.json.Decoder[RecordedFrame] = msgspec.json.Decoder(RecordedFrame)


class RecordedSource(FileSource):
    """Replays recordings: parses their frames as if each arrived at its recorded time.

    A file without the head of a recording is read as frames of the network, one per line, that arrive now.
    """

    def __init__(
        self, paths: Sequence[str], network: str, parser: Parser, *, cursor: str | None = None, batch_size: int = 500
    ) -> None:
        """Check that the files can be read.

        Raises:
            BadInput: A file cannot be opened, or the cursor does not match the files.
        """
        super().__init__(paths, max_line_bytes=_MAX_LINE_BYTES, cursor=cursor, batch_size=batch_size)
        self._network = network
        self._parser = parser

    def _read_file(self, index: int, after: int, put: Callable[[Batch], None]) -> None:
        path = self._paths[index]
        for block in lines.blocks(path, self._limit, self._count, self._batch_size):
            contents = [content for line in block if line.number > after for content in self._parse_line(line, path)]
            put(Batch(contents, f"{index}:{block[-1].number}"))

    def _parse_line(self, line: lines.Line, path: str) -> Iterator[Content]:
        number, value, cut = line
        if cut:
            error = f"a line of {len(value) + cut} bytes, cut to {len(value)}"
            yield Unreadable(path, number, value, "oversize", error)
        elif number == 1 and (head := _head(value)) is not None:
            if head.network != self._network or head.tagpulse_recording > VERSION:
                raise BadInput(
                    f"{path} is a recording of {head.network[:100]} in version {head.tagpulse_recording}: "
                    f"only recordings of {self._network} up to version {VERSION} can be read"
                )
        elif value and not value.isspace():
            frame, origin, arrived_at = _frame(value, path)
            contents = self._parser.read(frame, origin, arrived_at or utc_now())
            yield from contents if arrived_at else map(_with_author_time, contents)


def _head(line: bytes) -> RecordingHead | None:
    try:
        return _HEAD.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _with_author_time(content: Content) -> Content:
    """Restore the author's time: without an arrival time, no past time is implausible."""
    if not isinstance(content, Post) or content.author_created_at is None or content.author_created_at > utc_now():
        return content
    claimed = content.author_created_at
    return msgspec.structs.replace(content, created_at=claimed, created_at_is_estimate=False, author_created_at=None)


def _frame(line: bytes, path: str) -> tuple[bytes, str, datetime | None]:
    """Return the frame of a line, its origin and, if known, its arrival time."""
    try:
        recorded = _FRAME.decode(line)
        frame = (
            base64.b64decode(recorded.base64, validate=True)
            if recorded.base64 is not None
            else (recorded.frame or "").encode()
        )
        return (
            frame,
            recorded.origin[:300],
            recorded.at.astimezone(UTC) if recorded.at.tzinfo else recorded.at.replace(tzinfo=UTC),
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error, OverflowError):
        return line, path, None
