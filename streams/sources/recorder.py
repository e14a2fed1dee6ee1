"""Raw frames of a live source in a file, with their times, and played again through the same parser."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import zstandard

from streams.contracts import Post, utc_now
from streams.errors import BadInput
from streams.sources.base import Batch, Content, Parser, Unreadable
from streams.sources.files import lines
from streams.sources.files.source import FileSource

VERSION = 1
_FLUSH_SECONDS = 5.0  # what is older stands in the file whole, whatever becomes of the process
_MAX_LINE_BYTES = 24 * 2**20  # the largest frame of any network, in base64


class _Head(msgspec.Struct, omit_defaults=True):
    """The first line."""

    tagpulse_recording: int
    network: str
    hashtags: tuple[str, ...] = ()


class _Taped(msgspec.Struct, omit_defaults=True):
    """Every other line."""

    at: datetime
    origin: str
    frame: str | None = None
    base64: str | None = None
    """Where the bytes are no UTF-8."""


_HEAD: msgspec.json.Decoder[_Head] = msgspec.json.Decoder(_Head)
_TAPED: msgspec.json.Decoder[_Taped] = msgspec.json.Decoder(_Taped)


class Recorder:
    """Writes a recording (JSON lines in Zstandard): it is the tape of a source. Tokens are in no frame."""

    def __init__(
        self,
        path: Path,
        network: str,
        hashtags: Sequence[str],
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises BadInput when the file is there already or cannot be written."""
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise BadInput(f"{path}: cannot be recorded to: {error.strerror}") from None
        self._path = path
        self._now = now
        self._clock = clock
        self._writer = zstandard.ZstdCompressor().stream_writer(self._file)
        self._flushed_at = clock()
        self.frames = 0
        self._write(msgspec.json.encode(_Head(VERSION, network, tuple(hashtags))))

    def __call__(self, origin: str, frame: bytes) -> None:
        """Records a frame. Raises BadInput when the disk takes no more."""
        try:
            taped = _Taped(self._now(), origin, frame=frame.decode())
        except UnicodeDecodeError:
            taped = _Taped(self._now(), origin, base64=base64.b64encode(frame).decode())
        self._write(msgspec.json.encode(taped))
        self.frames += 1

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._path.stat().st_size

    def close(self) -> None:
        """The recording is whole."""
        self._writer.close()  # type: ignore[no-untyped-call]

    def _write(self, line: bytes) -> None:
        try:
            self._writer.write(line + b"\n")
            if self._clock() - self._flushed_at >= _FLUSH_SECONDS:
                self._writer.flush(zstandard.FLUSH_FRAME)
                self._file.flush()
                self._flushed_at = self._clock()
        except OSError as error:
            raise BadInput(f"{self._path}: cannot be recorded to: {error.strerror}") from None


class RecordedSource(FileSource):
    """Plays recordings: what the network's parser makes of their frames, each at the time at which it came.

    A file without our head is taken as frames of the network, one a line, that come now.
    """

    def __init__(
        self, paths: Sequence[str], network: str, parser: Parser, *, cursor: str | None = None, batch_size: int = 500
    ) -> None:
        """Raises BadInput when a file is not there."""
        super().__init__(paths, max_line_bytes=_MAX_LINE_BYTES, cursor=cursor, batch_size=batch_size)
        self._network = network
        self._parser = parser

    def _read_file(self, index: int, after: int, put: Callable[[Batch], None]) -> None:
        path = self._paths[index]
        for block in lines.blocks(path, self._limit, self._count, self._batch_size):
            contents = [content for line in block if line.number > after for content in self._play(line, path)]
            put(Batch(contents, f"{index}:{block[-1].number}"))

    def _play(self, line: lines.Line, path: str) -> Iterator[Content]:
        number, value, cut = line
        if cut:
            error = f"a line of {len(value) + cut} bytes, cut to {len(value)}"
            yield Unreadable(path, number, value, "oversize", error)
        elif number == 1 and (head := _head(value)) is not None:
            if head.network != self._network or head.tagpulse_recording > VERSION:
                raise BadInput(
                    f"{path}: a recording of {head.network[:100]} in version {head.tagpulse_recording}: "
                    f"not one of {self._network} up to version {VERSION}"
                )
        elif value and not value.isspace():
            frame, origin, came_at = _frame(value, path)
            contents = self._parser.read(frame, origin, came_at or utc_now())
            yield from contents if came_at else map(_as_told, contents)


def _head(line: bytes) -> _Head | None:
    try:
        return _HEAD.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _as_told(content: Content) -> Content:
    """Restore the author's time: without an arrival time, no past time is implausible."""
    if not isinstance(content, Post) or content.author_created_at is None or content.author_created_at > utc_now():
        return content
    told = content.author_created_at
    return msgspec.structs.replace(content, created_at=told, created_at_is_estimate=False, author_created_at=None)


def _frame(line: bytes, path: str) -> tuple[bytes, str, datetime | None]:
    """The frame of a line, where it came from and when, if that is known."""
    try:
        taped = _TAPED.decode(line)
        frame = (
            base64.b64decode(taped.base64, validate=True) if taped.base64 is not None else (taped.frame or "").encode()
        )
        return frame, taped.origin[:300], taped.at.astimezone(UTC) if taped.at.tzinfo else taped.at.replace(tzinfo=UTC)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error, OverflowError):
        return line, path, None
