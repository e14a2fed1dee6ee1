"""Sends the contents of a source to `posts.raw`, in order; the cursor is saved only once Kafka has confirmed them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec
from kafka import errors as kafka_errors

from streams import metrics
from streams.contracts import HEADERS, DeadLetter, Deletion, Gap, Post, encode, record_time_ms, utc_now
from streams.errors import SettingsError, Unavailable
from streams.kafka import connection, topics
from streams.kafka.reliable_producer import OutgoingRecord, ReliableProducer, Stopped, dead_letter_record
from streams.privacy import pseudonymise
from streams.settings import Settings
from streams.sources.base import Batch, Content, Source, Unreadable
from streams.sources.cursors import Cursor
from streams.sources.files.pace import paced
from streams.sources.shared_ids import SharedIds

logger = logging.getLogger(__name__)

WORKER = "produce"
_TICK_SECONDS = 0.5
_CLOSE_SECONDS = 3.0
_MAX_REPORTED = 20
_REMEMBERED_ID_BYTES = 24 * 2**20  # about 115,000 posts


@dataclass(kw_only=True)
class ProduceSummary:
    """The progress of a run so far."""

    read: int = 0
    """Posts, deletions, unreadable lines and gaps received from the source."""
    malformed: int = 0
    """Unreadable lines among them, which are sent to the dead letters."""
    repeated_ids: int = 0
    """Posts with the id of a recent post but another author or text; sinks keep only one of them."""
    sent: int = 0
    """Posts and deletions confirmed by Kafka."""
    dead: int = 0
    """Dead letters confirmed by Kafka."""
    unconfirmed: int = 0
    """Records passed to Kafka but not confirmed when the run ended."""
    stopped: bool = False
    """Whether the run was stopped before the end of the source."""
    place: str | None = None
    """Position in the source up to which everything is confirmed."""
    seconds: float = 0.0
    """Seconds since the connection to Kafka was established."""


class Produce:
    """A run that sends a source to Kafka: `await Produce(source, settings).run()`."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        *,
        cursor: Cursor | None = None,
        speed: float | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare the run.

        Args:
            source: The source to read.
            settings: The settings of the run.
            cursor: Where to save the cursor, if at all.
            speed: Speed relative to real time; None sends the posts as fast as possible.
            clock: Returns the current time in UTC.
        """
        self._source = source
        self._settings = settings
        self._cursor = cursor
        self._speed = speed
        self._now = clock
        key = settings.privacy.author_key
        self._author_key = key.get_secret_value().encode() if key else None
        self._stopping = asyncio.Event()
        self._producer = ReliableProducer(settings, self._oversize_record)
        self._label = metrics.BoundedLabel((), metrics.MAX_SOURCES).of
        self._shared_ids = SharedIds(_REMEMBERED_ID_BYTES)
        self._saved: str | None = None
        self._saved_at = time.monotonic()
        self._started_at = time.monotonic()
        self.summary = ProduceSummary()

    def stop(self) -> None:
        """Ask the run to end; records in flight get a few seconds to be confirmed."""
        self._stopping.set()
        self._producer.stop()

    def not_ready(self) -> str | None:
        """Return why posts are currently not confirmed, or None if they are; can be called from any thread."""
        return "Kafka does not confirm messages" if self._producer.is_away else None

    async def run(self) -> ProduceSummary:
        """Send the source to Kafka until its end, or until the run is stopped.

        The records confirmed before an error remain in Kafka.

        Raises:
            Unavailable: Kafka cannot be reached at the start.
            SettingsError: A topic is missing.
            Refused: Kafka or the network refuses permanently.
            BadInput: A file cannot be read.
        """
        await self._open()
        self._started_at = time.monotonic()
        batches = self._source.batches()
        if self._speed is not None:
            batches = paced(batches, self._speed)
        try:
            self.summary.stopped = not await self._send_all(batches)
        finally:
            self.summary.unconfirmed = await asyncio.to_thread(self._producer.close, _CLOSE_SECONDS)
            self._update()
            await self._save_cursor()
        return self.summary

    async def _open(self) -> None:
        kafka, names = self._settings.kafka, self._settings.topics
        await connection.probe(kafka, topics=[names.raw, names.dead, names.gaps])
        found = await asyncio.to_thread(topics.missing, self._settings)
        missing = [name for name in found if name in (names.raw, names.dead, names.gaps)]
        if missing:
            raise SettingsError(
                f"{kafka.bootstrap_servers} has no topic {' and no topic '.join(missing)}; run `tagpulse topics create`"
            )
        try:
            await asyncio.to_thread(self._producer.open)
        except kafka_errors.KafkaError as error:
            raise Unavailable(f"{kafka.bootstrap_servers}: {error}; run `tagpulse doctor` to find the cause") from error

    async def _send_all(self, batches: AsyncIterator[Batch]) -> bool:
        """Send the batches, and return whether the end of the source was reached."""
        stopping = asyncio.create_task(self._stopping.wait())
        reading = asyncio.ensure_future(anext(batches, None))
        try:
            while not self._stopping.is_set():
                await asyncio.wait({reading, stopping}, timeout=_TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    await asyncio.to_thread(self._producer.settle)
                elif (batch := reading.result()) is None:
                    return await asyncio.to_thread(self._producer.drain) == 0
                else:
                    # while this batch is sent, the source reads one batch ahead
                    reading = asyncio.ensure_future(anext(batches, None))
                    await asyncio.to_thread(self._send, batch)
                self._update()
                if time.monotonic() - self._saved_at >= self._settings.produce.cursor_seconds:
                    await self._save_cursor()
        except Stopped:
            pass
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)
            await batches.aclose()  # type: ignore[attr-defined]
        return False

    def _send(self, batch: Batch) -> None:
        records = list(self._records(batch.contents))
        self._producer.send(records, batch.cursor)

    def _records(self, contents: list[Content]) -> Iterator[OutgoingRecord]:
        now = self._now()
        raw = self._settings.topics.raw
        received: Counter[tuple[str, str]] = Counter()
        newest_ms = 0
        for content in contents:
            if isinstance(content, Unreadable):
                received[self._source.name, "unreadable"] += 1
                yield self._unreadable_record(content, now)
                continue
            if isinstance(content, Gap):
                received[self._source.name, "gap"] += 1
                gaps, key = self._settings.topics.gaps, content.key
                yield OutgoingRecord(gaps, key, encode(content), _to_ms(now), self._source.name, "gap")
                continue
            if self._author_key is not None:
                content = pseudonymise(content, self._author_key)
            source = self._label(content.source)
            collected = now
            if isinstance(content, Deletion):
                kind = "deletion"
            else:
                kind = "post"
                if self._shared_ids.add(content):
                    self._report_shared_id(content)
                if content.collected_at is None:
                    content = msgspec.structs.replace(content, collected_at=now)
                else:
                    collected = min(content.collected_at, now)
            received[source, kind] += 1
            time_ms = record_time_ms(content, collected_at=collected)
            newest_ms = max(newest_ms, time_ms)
            yield OutgoingRecord(raw, content.key, encode(content), time_ms, source, kind)
        self.summary.read += len(contents)
        for (source, kind), count in received.items():
            metrics.RECEIVED.labels(source, kind).inc(count)
        if newest_ms:
            metrics.SOURCE_LAST_EVENT.labels(self._source.name).set(newest_ms / 1000)

    def _report_shared_id(self, post: Post) -> None:
        self.summary.repeated_ids += 1
        metrics.SHARED_IDS.labels(self._source.name).inc()
        if self.summary.repeated_ids == 1:
            logger.warning(
                "different posts have the same id %s, and sinks keep only one of them: were the ids rounded?",
                repr(post.id)[:100],
            )

    def _unreadable_record(self, content: Unreadable, now: datetime) -> OutgoingRecord:
        location = f"{content.origin.removeprefix('file:')}:{content.number}"
        self.summary.malformed += 1
        metrics.MALFORMED.labels(self._source.name).inc()
        if self.summary.malformed <= _MAX_REPORTED:
            logger.warning("%s: %s: %s", location, content.reason, content.error)
        if self.summary.malformed == _MAX_REPORTED:
            logger.warning(
                "further unreadable lines are not logged, only counted; all of them are in %s",
                self._settings.topics.dead,
            )
        return self._dead_letter_record(
            DeadLetter(
                topic=content.origin,
                partition=0,
                offset=content.number,
                timestamp_ms=_to_ms(now),
                key=None,
                value=content.value,
                headers=(),
                reason=content.reason,
                error=content.error,
                attempts=1,
                failed_at=now,
            )
        )

    def _oversize_record(self, record: OutgoingRecord, error: str) -> OutgoingRecord:
        logger.warning("%r: oversize: %s", record.key, error)
        return self._dead_letter_record(
            DeadLetter(
                topic=record.topic,
                partition=-1,
                offset=-1,
                timestamp_ms=record.timestamp_ms,
                key=record.key,
                value=record.value,
                headers=HEADERS,
                reason="oversize",
                error=error,
                attempts=1,
                failed_at=self._now(),
            )
        )

    def _dead_letter_record(self, letter: DeadLetter) -> OutgoingRecord:
        metrics.DEAD_LETTERS.labels(WORKER, letter.reason).inc()
        return dead_letter_record(letter, self._settings.topics, self._source.name)

    def _update(self) -> None:
        names, confirmed = self._settings.topics, self._producer.confirmed
        self.summary.sent = confirmed[names.raw]
        self.summary.dead = confirmed[names.dead]
        self.summary.seconds = time.monotonic() - self._started_at
        if self._producer.cursor is not None:
            self.summary.place = self._source.describe(self._producer.cursor)

    async def _save_cursor(self) -> None:
        self._saved_at = time.monotonic()
        cursor = self._producer.cursor
        if self._cursor is None or cursor is None or cursor == self._saved:
            return
        try:
            await asyncio.to_thread(self._cursor.save, cursor)
        except OSError as error:
            logger.warning("the cursor cannot be saved, so a restart would send posts again: %s", error)
        else:
            self._saved = cursor


def _to_ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)
