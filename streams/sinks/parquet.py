"""The Parquet lake on a local disk: nothing lost and nothing twice, whatever crashes.

Rows are kept by folder (kind, run, date, hour of event time). A flush writes one file for each folder and partition, named
after the stretch of offsets it covers, under a hidden name first; the rename makes it visible as a whole. When a crash
came between the renames of a flush, the same records come again, in batches of other sizes: a folder whose files already
cover an offset is read, and the rows it holds are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa
import pyarrow.parquet as pq

from streams import metrics
from streams.contracts import EnrichedPost
from streams.errors import BadInput, Unavailable
from streams.lossless import Pace
from streams.settings import LIVE, LakeSettings, Settings
from streams.sinks.base import Flushed, Row, Sink
from streams.sinks.lake import Span, folder_of, parse_file_name, schema_of, to_table

_HIDDEN = ".part"
_STALE_SECONDS = 3_600.0

Identity = tuple[int, str, str]


class ParquetSink(Sink):
    """Writes to `path`; columns and folders as in `lake.py`."""

    name: ClassVar[str] = "parquet"

    def __init__(self, settings: LakeSettings, run: str = LIVE) -> None:
        self._path = settings.path
        self._run = run
        self._pace = Pace(
            batch_size=settings.batch_size,
            within_seconds=0.5,
            batches_in_flight=2,
            flush_records=settings.flush_rows,
            flush_seconds=settings.flush_seconds,
        )
        self._rows: dict[tuple[str, int], dict[Identity, Row]] = defaultdict(dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.lake, settings.run)

    @property
    def pace(self) -> Pace:
        return self._pace

    async def open(self) -> None:
        await asyncio.to_thread(self._prepare)

    async def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            # after a rebalance the same records may come again before the flush
            self._rows[row.record.topic, row.record.partition][_identity(row)] = row

    async def flush(self) -> Flushed:
        written = await asyncio.to_thread(self._flush)
        self._rows.clear()
        return Flushed(written)

    async def close(self) -> None:
        self._rows.clear()

    def _prepare(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            for left in self._path.rglob(f"*{_HIDDEN}"):
                # what a crashed writer left; a younger file may belong to a writer at work
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the lake {self._path} (TAGPULSE_LAKE__PATH) cannot be used: {error}") from error

    def _flush(self) -> int:
        written = 0
        try:
            for (topic, partition), rows in self._rows.items():
                offsets = [row.record.offset for row in rows.values()]
                span = Span(topic, partition, min(offsets), max(offsets))
                by_folder: dict[Path, list[Row]] = defaultdict(list)
                for row in rows.values():
                    by_folder[folder_of(row, self._run)].append(row)
                for folder, group in by_folder.items():
                    written += self._write_file(folder, span, group)
        except OSError as error:
            raise Unavailable(f"the lake {self._path} cannot be written: {error}") from error
        return written

    def _write_file(self, folder: Path, span: Span, rows: Sequence[Row]) -> int:
        directory = self._path / folder
        if not directory.is_dir():
            directory.mkdir(parents=True)
            _sync_parents(directory, self._path)
        held = _held(directory, span)
        fresh = [row for row in rows if _identity(row) not in held]
        metrics.REPEATED.labels(self.name).inc(len(rows) - len(fresh))
        if not fresh:
            return 0
        copy = 0
        while (target := directory / span.file_name(copy)).exists():
            copy += 1
        hidden = directory / f".{target.name}.{os.getpid()}{_HIDDEN}"
        try:
            with hidden.open("wb") as file:
                pq.write_table(to_table(fresh, schema_of(folder)), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            hidden.rename(target)
        except OSError:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
            raise
        _sync(directory)
        return len(fresh)


def _held(directory: Path, span: Span) -> set[Identity]:
    """The rows of a span that the files of a folder hold: by offset and post, since a topic can be made anew."""
    held: set[Identity] = set()
    for file in directory.iterdir():
        stored = parse_file_name(file.name)
        if stored and stored.overlaps(span):
            try:
                table: pa.Table = pq.read_table(file, columns=["kafka_offset", "source", "id"], partitioning=None)
            except pa.ArrowInvalid as error:
                raise BadInput(f"{file} is damaged: move it out of the lake; {error}") from error
            columns = (table.column(name).to_pylist() for name in ("kafka_offset", "source", "id"))
            held.update(zip(*columns, strict=True))
    return held


def _identity(row: Row) -> Identity:
    post = row.message.post if isinstance(row.message, EnrichedPost) else row.message
    return row.record.offset, post.source, post.id


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_parents(directory: Path, root: Path) -> None:
    while directory != root:
        directory = directory.parent
        _sync(directory)
