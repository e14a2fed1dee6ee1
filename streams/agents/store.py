"""`posts.enriched` → a sink; unreadable records → `posts.dead`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from streams import metrics
from streams.agents.dead_letter import Limit, dead_letter, outgoing
from streams.contracts import DeadLetter, decode_enriched, utc_now
from streams.errors import BadMessage, Refused, Unavailable
from streams.kafka.publisher import Oversize, Publisher
from streams.retry.backoff import Backoff, retry
from streams.runtime.lossless import Record
from streams.settings import Settings
from streams.sinks.base import Row, Sink

T = TypeVar("T")

logger = logging.getLogger(__name__)

_MAX_BACKOFF_SECONDS = 30.0


class Store:
    """The processing of a store worker and its output: writes to a sink, waiting as long as it is unavailable."""

    def __init__(
        self,
        sink: Sink,
        publisher: Publisher,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        part: str = "",
    ) -> None:
        """Create a store whose sink is not yet open.

        Args:
            part: Suffix of the worker's name, if it stores something other than posts.
        """
        self.worker = f"store-{sink.name}{part}"
        self._sink = sink
        self._publisher = publisher
        self._dead_topic = settings.topics.dead
        self._letter_limit = settings.topics.dead_limit
        self._limit = Limit(self.worker, settings.worker)
        self._clock = clock
        self._sleep = sleep
        self._away = metrics.SINK_AWAY.labels(sink.name)
        self.is_waiting = False

    async def open(self) -> None:
        """Open the sink, waiting while it is unavailable."""
        await self._retry_while_unavailable(self._sink.open)

    async def close(self) -> None:
        await self._sink.close()

    async def process(self, records: Sequence[Record]) -> list[Row | DeadLetter]:
        """Return a row or a dead letter for each record, in order.

        Raises:
            DeadLetterLimit: Too many of the last records failed.
        """
        return self._decoded(records, lambda record: Row(record, decode_enriched(record.value, record.headers)))

    async def write(self, result: Sequence[Row | DeadLetter]) -> None:
        await self._send_to_dead_letters([letter for letter in result if isinstance(letter, DeadLetter)])
        rows = [row for row in result if isinstance(row, Row)]
        await self._retry_while_unavailable(lambda: self._sink.write(rows))

    async def flush(self) -> None:
        started = time.perf_counter()
        flushed = await self._retry_while_unavailable(self._sink.flush)
        metrics.FLUSH.labels(self._sink.name).observe(time.perf_counter() - started)
        metrics.STORED.labels(self._sink.name).inc(flushed.stored)
        now = self._clock()
        await self._send_to_dead_letters(
            [
                dead_letter(bad.row.record, BadMessage("sink_refused", bad.why), now, self._letter_limit)
                for bad in flushed.bad
            ]
        )

    def _decoded(self, records: Sequence[Record], decode: Callable[[Record], T]) -> list[T | DeadLetter]:
        results: list[T | DeadLetter] = []
        for record in records:
            try:
                results.append(decode(record))
            except BadMessage as error:
                results.append(dead_letter(record, error, self._clock(), self._letter_limit))
        self._limit.check(results)
        return results

    async def _send_to_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        try:
            await self._publisher.publish([outgoing(letter, self._dead_topic) for letter in letters])
        except Oversize as error:
            raise Refused(
                f"a dead letter is too large: {error}; compare the topic settings with `tagpulse topics check`"
            ) from error
        for letter in letters:
            metrics.DEAD_LETTERS.labels(self.worker, letter.reason).inc()

    async def _retry_while_unavailable(self, call: Callable[[], Awaitable[T]]) -> T:
        result = await retry(call, Unavailable, Backoff(_MAX_BACKOFF_SECONDS), self._note_outage, self._sleep)
        self.is_waiting = False
        self._away.set(0)
        return result

    def _note_outage(self, error: Exception, seconds: float) -> None:
        self.is_waiting = True
        self._away.set(1)
        metrics.OUTPUT_RETRIES.labels(self.worker).inc()
        logger.warning("%s; trying again in %.1f s, nothing is lost", error, seconds)
