"""The PostgreSQL sink; each flush writes posts and offsets in one transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self, TypeVar

import psycopg

from streams import metrics
from streams.contracts import EnrichedPost, Spike
from streams.errors import BadMessage
from streams.retry.halving import Halving
from streams.runtime.lossless import BatchPolicy
from streams.settings import LIVE, PostgresSettings, Settings
from streams.sinks.base import BadRow, Erasure, Flushed, Forgotten, Row, Sink
from streams.sinks.postgres import removal, schema
from streams.sinks.postgres.faults import is_about_rows, text_of, translated_errors
from streams.sinks.postgres.session import connect, parameters
from streams.sinks.postgres.spikes import upsert_spikes
from streams.sinks.postgres.upsert import (
    SESSION_SETTINGS,
    STAGING_TABLE,
    keep_offsets,
    lock_run,
    months_of,
    reduce_batch,
    stage,
    upsert,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)

Identity = tuple[str, int, int, str, str]


class _Stored(NamedTuple):
    changed: int
    bad: list[BadRow]


class PostgresSink(Sink):
    """Writes to the database of the DSN; `migrations` defines the tables and views.

    If the connection is lost, the next call opens a new one.
    """

    name: ClassVar[str] = "postgres"
    keeps_spikes: ClassVar[bool] = True

    def __init__(self, settings: PostgresSettings, run: str = LIVE) -> None:
        parameters(settings)
        self._settings = settings
        self._run = run
        self._rows: dict[Identity, Row] = {}
        self._connection: psycopg.Connection | None = None
        # the thread of a cancelled task keeps running
        self._busy = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.postgres, settings.run)

    @property
    def policy(self) -> BatchPolicy:
        return BatchPolicy(
            batch_size=self._settings.batch_size,
            max_wait_seconds=0.5,
            batches_in_flight=2,
            flush_records=self._settings.flush_rows,
            flush_seconds=self._settings.flush_seconds,
        )

    async def require(self) -> None:
        await asyncio.to_thread(schema.require_tables, self._settings)

    async def open(self) -> None:
        await asyncio.to_thread(self._work, lambda _: None)

    async def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            # after a rebalance, the same records may arrive again before the flush
            self._rows[_identity(row)] = row

    async def flush(self) -> Flushed:
        rows = list(self._rows.values())
        if not rows:
            return Flushed(0)
        stored = await asyncio.to_thread(self._work, lambda connection: self._flush(connection, rows))
        self._rows.clear()
        metrics.REPEATED.labels(self.name).inc(max(0, len(rows) - len(stored.bad) - stored.changed))
        return Flushed(stored.changed, stored.bad)

    async def close(self) -> None:
        self._rows.clear()
        await asyncio.to_thread(self._close)

    async def keep_spikes(self, spikes: Sequence[Spike]) -> int:
        return await asyncio.to_thread(self._work, lambda connection: self._keep_spikes(connection, spikes))

    async def runs(self) -> Mapping[str, int]:
        return await asyncio.to_thread(self._work, removal.runs)

    async def drop_run(self, run: str) -> int:
        return await asyncio.to_thread(self._work, lambda connection: removal.drop_run(connection, run))

    async def find(self, wanted: Erasure) -> Forgotten:
        return await asyncio.to_thread(self._work, lambda connection: removal.find(connection, wanted))

    async def forget(self, wanted: Erasure) -> Forgotten:
        return await asyncio.to_thread(self._work, lambda connection: removal.forget(connection, wanted))

    def _work(self, work: Callable[[psycopg.Connection], T]) -> T:
        with self._busy:
            try:
                with translated_errors():
                    return work(self._connect())
            except Exception:
                self._drop_connection()
                raise

    def _connect(self) -> psycopg.Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = self._connection = connect(self._settings)
        found = schema.versions(connection, self._settings)
        if self._settings.migrate and (found.found or "") < found.needed:
            from streams.sinks.postgres.migrate import migrate

            migrate(self._settings)
            found = schema.versions(connection, self._settings)
        schema.require(found)
        connection.execute(STAGING_TABLE)
        return connection

    def _close(self) -> None:
        with self._busy:
            self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _keep_spikes(self, connection: psycopg.Connection, spikes: Sequence[Spike]) -> int:
        try:
            return upsert_spikes(connection, self._run, spikes)
        except psycopg.Error as error:
            if not is_about_rows(error):
                raise
            raise BadMessage("sink_refused", text_of(error)) from error

    def _flush(self, connection: psycopg.Connection, rows: Sequence[Row]) -> _Stored:
        if months := months_of(rows):
            # in a separate transaction, before any lock is held
            connection.execute("select make_months(%s)", [months])
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(SESSION_SETTINGS)
            stored = self._store(cursor, rows)
            keep_offsets(cursor, self._run, rows)
            return stored

    def _store(self, cursor: psycopg.Cursor, rows: Sequence[Row]) -> _Stored:
        """Store all valid rows."""
        stored, bad = 0, list[BadRow]()
        for part in (parts := Halving(rows)):
            try:
                with cursor.connection.transaction():
                    folded = reduce_batch(part)
                    stage(cursor, folded)
                    lock_run(cursor, self._run)
                    changed = upsert(cursor, self._run, folded)
                    cursor.execute("truncate staged_posts")
            except UnicodeEncodeError as error:
                why = f"the text is not valid Unicode: {error.reason}"
            except psycopg.Error as error:
                if not is_about_rows(error):
                    raise
                why = text_of(error)
            else:
                # rows that are obsolete within the batch count as new if the batch changed anything
                stored += changed and changed + len(part) - len(folded.posts) - len(folded.deletions)
                continue
            if len(part) > 1:
                parts.split(part)
            else:
                logger.warning("%s cannot be stored: %s", part[0].record.location, why)
                bad.append(BadRow(part[0], why))
        return _Stored(stored, bad)


def _identity(row: Row) -> Identity:
    message, record = row.message, row.record
    post = message.post if isinstance(message, EnrichedPost) else message
    return record.topic, record.partition, record.offset, post.source, post.id
