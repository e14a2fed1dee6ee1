"""The Parquet lake as a sink: nothing lost and nothing twice, whatever crashes.

Rows are kept by folder (`lake_folders.py`). A flush writes one file for each folder and partition, named
after the stretch of offsets it covers, and visible only as a whole. When a crash came among the files of a flush, the
same records come again, in batches of other sizes: a folder whose files already cover an offset is read, and the rows it
holds are left out.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Self

from streams import metrics
from streams.contracts import EnrichedPost, Spike
from streams.runtime.lossless import BatchPolicy
from streams.settings import LIVE, LakeSettings, Settings
from streams.sinks.base import Erasure, Flushed, Forgotten, Row, Sink
from streams.sinks.lake.columns import schema_of, to_table
from streams.sinks.lake.files import Identity, already_stored, write_table
from streams.sinks.lake.folders import DELETIONS, POSTS, SPIKES, Span, folder_of
from streams.sinks.lake.forget import find, forget
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.spikes import keep_spikes
from streams.sinks.lake.views import posts_by_run

_WRITERS = 4
"""Files that are written at once."""


class ParquetSink(Sink):
    """Writes to `path`; columns and folders as in `lake.py`."""

    name: ClassVar[str] = "parquet"
    keeps_spikes: ClassVar[bool] = True

    def __init__(self, settings: LakeSettings, run: str = LIVE) -> None:
        self._storage = open_storage(settings.path)
        self._run = run
        self._pace = BatchPolicy(
            batch_size=settings.batch_size,
            max_wait_seconds=0.5,
            batches_in_flight=2,
            flush_records=settings.flush_rows,
            flush_seconds=settings.flush_seconds,
        )
        self._rows: dict[tuple[str, int], dict[Identity, Row]] = defaultdict(dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.lake, settings.run)

    @property
    def pace(self) -> BatchPolicy:
        return self._pace

    async def require(self) -> None:
        await asyncio.to_thread(self._storage.require)

    async def open(self) -> None:
        await asyncio.to_thread(self._storage.prepare)

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

    async def keep_spikes(self, spikes: Sequence[Spike]) -> int:
        return await asyncio.to_thread(keep_spikes, self._storage, self._run, spikes)

    async def runs(self) -> Mapping[str, int]:
        return await asyncio.to_thread(posts_by_run, self._storage)

    async def drop_run(self, run: str) -> int:
        posts = (await self.runs()).get(run, 0)
        for kind in (POSTS, DELETIONS, SPIKES):
            await asyncio.to_thread(self._storage.delete_folder, f"{kind}/run={run}")
        return posts

    async def find(self, wanted: Erasure) -> Forgotten:
        return await asyncio.to_thread(find, self._storage, wanted)

    async def forget(self, wanted: Erasure) -> Forgotten:
        return await asyncio.to_thread(forget, self._storage, wanted)

    def _flush(self) -> int:
        files: list[tuple[str, Span, Mapping[Identity, Row]]] = []
        for (topic, partition), rows in self._rows.items():
            offsets = [offset for offset, _, _ in rows]
            span = Span(topic, partition, min(offsets), max(offsets))
            by_folder: dict[str, dict[Identity, Row]] = defaultdict(dict)
            for identity, row in rows.items():
                by_folder[folder_of(row.message, self._run)][identity] = row
            files += [(folder, span, group) for folder, group in by_folder.items()]
        # while one compresses or waits for the disk, another turns its rows into columns
        with ThreadPoolExecutor(_WRITERS) as writers:
            return sum(writers.map(lambda file: self._write_file(*file), files))

    def _write_file(self, folder: str, span: Span, rows: Mapping[Identity, Row]) -> int:
        stored, copy = already_stored(self._storage, folder, span)
        fresh = [row for identity, row in rows.items() if identity not in stored]
        metrics.REPEATED.labels(self.name).inc(len(rows) - len(fresh))
        if fresh:
            table = to_table(fresh, schema_of(folder))
            write_table(self._storage, f"{folder}/{span.file_name(copy)}", table)
        return len(fresh)


def _identity(row: Row) -> Identity:
    post = row.message.post if isinstance(row.message, EnrichedPost) else row.message
    return row.record.offset, post.source, post.id
