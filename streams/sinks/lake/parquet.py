"""The Parquet lake as a sink, which loses and duplicates no rows even if a process crashes.

Rows are grouped by folder (`folders.py`). A flush writes one file per folder and partition, named after the offsets
that it covers and made visible atomically. After a crash between the files of a flush, the same records arrive again,
possibly in batches of a different size. Before a file is written, the rows that existing files of its folder already
hold for these offsets are therefore left out.
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

_CONCURRENT_FILES = 4


class ParquetSink(Sink):
    """Writes to the lake at `TAGPULSE_LAKE__PATH`; see `columns.py` and `folders.py` for its layout."""

    name: ClassVar[str] = "parquet"
    keeps_spikes: ClassVar[bool] = True

    def __init__(self, settings: LakeSettings, run: str = LIVE) -> None:
        self._storage = open_storage(settings.path)
        self._run = run
        self._policy = BatchPolicy(
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
    def policy(self) -> BatchPolicy:
        return self._policy

    async def require(self) -> None:
        await asyncio.to_thread(self._storage.require)

    async def open(self) -> None:
        await asyncio.to_thread(self._storage.prepare)

    async def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            # after a rebalance, the same records may arrive again before the flush
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
        # one thread can convert rows to columns while another compresses or waits for the disk
        with ThreadPoolExecutor(_CONCURRENT_FILES) as writers:
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
