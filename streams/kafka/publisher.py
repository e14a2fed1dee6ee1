"""Sends the records of a worker to Kafka, in order, and retries until the broker has confirmed them."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors
from aiokafka.partitioner import DefaultPartitioner

from streams import metrics
from streams.contracts import HEADERS, ORIGIN_HEADER
from streams.errors import Refused
from streams.kafka import connection
from streams.retry.backoff import Backoff, retry
from streams.settings import KafkaSettings

logger = logging.getLogger(__name__)

_BATCH_BYTES = 256 * 1024
_TEMPORARY = (kafka_errors.KafkaError, OSError)  # except these:
_PERMANENT = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.InvalidTimestampError,
    kafka_errors.InvalidTopicError,
)
_MAX_BACKOFF_SECONDS = 15.0
_CLOSE_SECONDS = 2.0


def record_ms(happened: datetime) -> int:
    """Return the record time of an event in milliseconds: at most now, as Kafka rejects times ahead of its clock."""
    return min(int(happened.timestamp() * 1000), int(time.time() * 1000))


class Outgoing(NamedTuple):
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes
    timestamp_ms: int
    origin: str | None = None
    """Location of the record that this one was derived from."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [*HEADERS, (ORIGIN_HEADER, self.origin.encode())] if self.origin else list(HEADERS)


class Oversize(Exception):
    """Raised for a record that Kafka will never accept because it exceeds the size limit of the topic."""

    def __init__(self, record: Outgoing) -> None:
        super().__init__(f"{len(record.value)} bytes exceed the limit of {record.topic}")
        self.record = record


class Publisher:
    """A producer that waits out outages.

    If any part of a batch fails, the whole batch is sent again, so that the last record of every key stays the last.
    The records of a partition are packed into one Kafka batch here, which is much cheaper than aiokafka's per-record
    bookkeeping.

    The producer is not idempotent, because the embedded broker does not support that with aiokafka. Order holds without
    it, since only one request per partition is in flight, and every sink tolerates a batch that is sent twice.

    Several jobs may share a publisher. Their attempts take turns, so that a failing one does not close the connection
    while another uses it.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        worker: str,
        limits: Mapping[str, int],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Set up the producer without connecting.

        Args:
            kafka: How to connect.
            worker: Name of the worker in metrics.
            limits: The maximum record size of each topic, in bytes.
            jitter: Source of randomness for the back-off.
        """
        self._kafka = kafka
        self._worker = worker
        self._limits = limits
        self._jitter = jitter
        self._partition_of = DefaultPartitioner()
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._largest_batch = sys.maxsize
        self.is_away = False

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Send records and return once all of them are confirmed.

        Raises:
            Oversize: A record exceeds a size limit and will never be accepted.
            Refused: Kafka rejects the records for good, for example for lack of rights.
        """
        backoff = Backoff(_MAX_BACKOFF_SECONDS, self._jitter)
        await retry(lambda: self._attempt_or_close(records), _TEMPORARY, backoff, self._note_outage)
        self.is_away = False
        metrics.BROKER_AWAY.set(0)

    def _note_outage(self, error: Exception, seconds: float) -> None:
        self.is_away = True
        metrics.BROKER_AWAY.set(1)
        metrics.OUTPUT_RETRIES.labels(self._worker).inc()
        logger.warning("Kafka confirms nothing (%r): retrying in %.1f s, nothing is lost", error, seconds)

    async def close(self) -> None:
        """Close the connection; unconfirmed records are discarded here but still held by the caller."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # without a broker, aiokafka would wait for its unsent batches
            stopping = asyncio.create_task(producer.stop())
            await asyncio.wait([stopping], timeout=_CLOSE_SECONDS)
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _attempt_or_close(self, records: Sequence[Outgoing]) -> None:
        """Make one attempt when it is its turn; a producer that failed is closed rather than reused."""
        async with self._turn:
            try:
                await self._attempt(records)
            except _TEMPORARY as error:
                await self.close()
                if isinstance(error, _PERMANENT):
                    raise Refused(
                        f"Kafka rejects the records sent to it: {error!r}: check access rights, topics and clocks"
                    ) from error
                raise

    async def _attempt(self, records: Sequence[Outgoing]) -> None:
        producer = await self._started()
        sent: list[tuple[asyncio.Future[Any], list[Outgoing]]] = []
        for (topic, partition), group in (await self._by_partition(producer, records)).items():
            for packed, batch in self._pack(producer, group):
                sent.append((await producer.send_batch(packed, topic, partition=partition), batch))
        results = await asyncio.gather(*(future for future, _ in sent), return_exceptions=True)
        for result, (_, batch) in zip(results, sent, strict=True):
            if isinstance(result, kafka_errors.MessageSizeTooLargeError):
                if len(batch) == 1:
                    raise Oversize(batch[0])
                # the broker accepts less than a full batch: from now on send each record in its own batch
                self._largest_batch = 1
                raise kafka_errors.KafkaError(f"a batch of {len(batch)} records is too large for {batch[0].topic}")
            if isinstance(result, BaseException):
                raise result

    async def _started(self) -> AIOKafkaProducer:
        producer = self._producer
        if producer is None:
            compression = None if self._kafka.compression == "none" else self._kafka.compression
            producer = AIOKafkaProducer(
                **connection.aiokafka(self._kafka),
                acks="all",
                compression_type=compression,
                max_batch_size=_BATCH_BYTES,
                max_request_size=max(self._limits.values()) + _BATCH_BYTES,
            )
            # assigned before it starts, so that it is closed even if the start fails
            self._producer = producer
            await producer.start()
        return producer

    async def _by_partition(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing]
    ) -> dict[tuple[str, int], list[Outgoing]]:
        partitions: dict[str, list[int]] = {}
        groups: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        for record in records:
            if len(record.value) > self._limits[record.topic]:
                raise Oversize(record)
            if record.topic not in partitions:
                partitions[record.topic] = sorted(await producer.partitions_for(record.topic))
            choices = partitions[record.topic]
            groups[record.topic, self._partition_of(record.key, choices, choices)].append(record)
        return groups

    def _pack(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[tuple[Any, list[Outgoing]]]:
        packed: list[tuple[Any, list[Outgoing]]] = []
        for record in records:
            fields = {
                "key": record.key,
                "value": record.value,
                "timestamp": record.timestamp_ms,
                "headers": record.headers,
            }
            full = not packed or len(packed[-1][1]) >= self._largest_batch
            if full or packed[-1][0].append(**fields) is None:
                packed.append((producer.create_batch(), []))
                if packed[-1][0].append(**fields) is None:
                    raise Oversize(record)
            packed[-1][1].append(record)
        return packed
