"""Reads and decompresses the lines of a file or of standard input in bounded memory."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from streams.errors import BadInput
from streams.sources.zstd import ZstdError, ZstdFile

STDIN = "-"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BLOCK = 256 * 1024


class Line(NamedTuple):
    """A line without its line end; if it was longer than the limit, the last `cut` bytes are missing."""

    number: int
    value: bytes
    cut: int = 0


class _CountingReader(io.RawIOBase):
    """A stream that counts the bytes read from the file itself, i.e. before decompression."""

    def __init__(self, stream: IO[bytes], count: Callable[[int], None]) -> None:
        self._stream = stream
        self._count = count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # read1 returns what is available: a pipe must not wait for a whole block
        data: bytes = self._stream.read1(len(buffer))  # type: ignore[attr-defined]
        buffer[: len(data)] = data
        self._count(len(data))
        return len(data)


class _AvailableReader(io.BufferedReader):
    """A reader that does not wait for more bytes than are available, so that lines arrive from a pipe as they are written."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size) if size is None or size < 0 else self.read1(size)


def blocks(path: str, limit: int, count: Callable[[int], None], size: int) -> Iterator[list[Line]]:
    """Yield the lines of a file, as they become available, in blocks of at most `size` lines.

    gzip and Zstandard files are recognised by their first bytes.

    Args:
        path: The file, or `-` for standard input.
        limit: Length in bytes above which a line is cut.
        count: Called with the number of bytes of each read, before decompression.
        size: Maximum number of lines in a block.

    Raises:
        BadInput: The file cannot be read, or cannot be read to its end.
    """
    try:
        with _open(path) as stream:
            for lines in _split(_decompressed(_CountingReader(stream, count)), limit):
                for at in range(0, len(lines), size):
                    yield lines[at : at + size]
    except (OSError, EOFError, zlib.error, ZstdError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None


def check_readable(path: str) -> None:
    """Check that a file can be opened, so that a wrong name is reported before anything is sent.

    Raises:
        BadInput: The path is a folder, or cannot be opened.
    """
    if path == STDIN:
        return
    if Path(path).is_dir():
        raise BadInput(f"{path} is a folder: name the files in it instead")
    try:
        with _open(path):
            pass
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None


def _open(path: str) -> IO[bytes]:
    if path == STDIN:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return Path(path).open("rb")


def _decompressed(raw: io.RawIOBase) -> IO[bytes]:
    stream = _AvailableReader(raw, _BLOCK)
    start = stream.peek(len(_ZSTD))
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    if start.startswith(_ZSTD):
        return ZstdFile(stream)  # type: ignore[return-value]
    return stream


def _split(stream: IO[bytes], limit: int) -> Iterator[list[Line]]:
    number = 0
    rest, lost = b"", 0
    read = getattr(stream, "read1", stream.read)
    while block := read(_BLOCK):
        first, *others = block.split(b"\n")
        lines: list[Line] = []
        for piece in others:
            number += 1
            whole = (rest + first).removeprefix(BOM_UTF8) if number == 1 else rest + first
            if lost or len(whole) > limit:
                lines.append(Line(number, whole[:limit], lost + max(0, len(whole) - limit)))
            else:
                lines.append(Line(number, whole.removesuffix(b"\r")))
            rest, lost, first = b"", 0, piece
        if lost:
            lost += len(first)
        else:
            rest += first
            lost = max(0, len(rest) - limit)
            rest = rest[:limit]
        if lines:
            yield lines
    if rest:
        whole = rest if number else rest.removeprefix(BOM_UTF8)
        yield [Line(number + 1, whole if lost else whole.removesuffix(b"\r"), lost)]
