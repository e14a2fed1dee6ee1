"""Reads posts from standard input and from files: JSON lines, CSV and TSV, compressed or not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from streams.contracts import utc_now
from streams.errors import BadInput
from streams.sources.base import Batch, Content, Source
from streams.sources.files import lines
from streams.sources.files.jsonl import parse
from streams.sources.files.lines import STDIN
from streams.sources.files.table import Columns, parse_table

Format = Literal["jsonl", "table"]

_COMPRESSED = (".gz", ".zst")
_TABLES = (".csv", ".tsv", ".tab")
_MAX_BATCHES_IN_TRANSIT = 4


class FileSource(Source):
    """Reads files one after the other (`-` is standard input) and ends after the last one.

    A separate thread reads, decompresses and parses; it waits while the consumer is busy.
    """

    name = "file"

    def __init__(
        self,
        paths: Sequence[str],
        *,
        max_line_bytes: int,
        format: Format | None = None,  # noqa: A002
        columns: Columns | None = None,
        cursor: str | None = None,
        batch_size: int = 500,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Check that the files can be read.

        Args:
            paths: The files, in the order in which they are read.
            max_line_bytes: Longer lines are cut and go to the dead letters.
            format: Format of all files; by default it follows from their names.
            columns: Column mapping of tables.
            cursor: Where to resume; None starts at the first line.
            batch_size: Number of lines between two cursors.
            now: Returns the current time; times more than a minute after it are rejected.

        Raises:
            BadInput: A file cannot be opened, or the cursor does not match the files.
        """
        for path in paths:
            lines.check_readable(path)
        self._paths = paths
        self._limit = max_line_bytes
        self._format = format
        self._columns = columns or Columns()
        self._start = _parse_cursor(cursor, len(paths))
        self._batch_size = batch_size
        self._now = now
        self._read = 0
        self._total = None if STDIN in paths else sum(Path(path).stat().st_size for path in paths)

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._read, self._total

    def describe(self, cursor: str) -> str:
        index, number = _parse_cursor(cursor, len(self._paths))
        return f"{self._paths[index]}:{number}"

    async def batches(self) -> AsyncIterator[Batch]:
        handover = _Handover(asyncio.get_running_loop())
        threading.Thread(target=handover.run, args=(self._read_all,), name="file-reader", daemon=True).start()
        try:
            while (batch := await handover.get()) is not None:
                yield batch
        finally:
            handover.stop()

    def _count(self, size: int) -> None:
        self._read += size

    def _read_all(self, put: Callable[[Batch], None]) -> None:
        first, after = self._start
        for index in range(first, len(self._paths)):
            self._read_file(index, after if index == first else 0, put)

    def _read_file(self, index: int, after: int, put: Callable[[Batch], None]) -> None:
        path = self._paths[index]
        origin = f"file:{path}"

        def emit(contents: list[Content], number: int) -> None:
            if contents:
                put(Batch(contents, f"{index}:{number}"))

        blocks = lines.blocks(path, self._limit, self._count, self._batch_size)
        if self._format_of(path) == "table":
            parse_table(blocks, self._columns, origin, self._limit, emit, after, self._now)
            return
        for block in blocks:
            news = [line for line in block if line.number > after and line.value and not line.value.isspace()]
            now = self._now()
            emit([parse(line, origin, now) for line in news], block[-1].number)

    def _format_of(self, path: str) -> Format:
        name = path.lower()
        for suffix in _COMPRESSED:
            name = name.removesuffix(suffix)
        return self._format or ("table" if name.endswith(_TABLES) else "jsonl")


class _Stopped(Exception):
    """Raised in the reader thread when the consumer has stopped."""


class _Handover:
    """Passes batches from a thread to the event loop; the thread waits while enough of them are in transit."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._batches: asyncio.Queue[Batch | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MAX_BATCHES_IN_TRANSIT)
        self._stopped = False

    def run(self, read: Callable[[Callable[[Batch], None]], None]) -> None:
        """Read to the end, and hand over any exception; runs in the thread."""
        with contextlib.suppress(_Stopped):
            try:
                read(self._put)
            except _Stopped:
                raise
            except Exception as error:
                self._hand_over(error)
            else:
                self._hand_over(None)

    async def get(self) -> Batch | None:
        """Return the next batch, or None at the end."""
        batch = await self._batches.get()
        self._room.release()
        if isinstance(batch, Exception):
            raise batch
        return batch

    def stop(self) -> None:
        self._stopped = True
        self._room.release()

    def _put(self, batch: Batch) -> None:
        self._room.acquire()
        self._hand_over(batch)

    def _hand_over(self, batch: Batch | Exception | None) -> None:
        try:
            if not self._stopped:
                self._loop.call_soon_threadsafe(self._batches.put_nowait, batch)
                return
        except RuntimeError:  # the loop is closed because the process is ending
            pass
        raise _Stopped


def _parse_cursor(cursor: str | None, files: int) -> tuple[int, int]:
    """Return the index of the file and the last line of it that was handled."""
    if cursor is None:
        return 0, 0
    index, _, number = cursor.partition(":")
    if not (index.isdigit() and number.isdigit() and int(index) < files):
        raise BadInput(f"the saved position {cursor!r} does not match these files: start without --resume")
    return int(index), int(number)
