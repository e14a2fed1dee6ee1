"""Reads the spikes of `alerts.spikes` for one target, which has its own consumer group.

The group's committed offset is the only state kept between starts: it is committed once the target accepts a spike.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors as kafka_errors

from streams.contracts import Spike, decode_spike, record_location
from streams.errors import BadMessage
from streams.kafka import connection
from streams.settings import Settings

logger = logging.getLogger(__name__)

HAND_OVER_SECONDS = 10.0
"""How long a rebalance waits for the delivery in progress to finish."""
_METADATA_MS = 5_000
_POLL_MS = 500
_MAX_RECORDS = 500
_IDLE_SECONDS = 1.0
# A target may be away for hours, and its worker must stay in the group: aiokafka would leave it after five minutes.
_MAX_POLL_INTERVAL_MS = 7 * 24 * 3_600_000


class Received(NamedTuple):
    """A spike and its offset."""

    offset: int
    spike: Spike


@dataclass
class AlertBatch:
    """The spikes read since the previous batch."""

    fresh: bool = False
    """True after a start, and whenever another worker may have had the topic: discard what was known before."""
    first_time: bool = False
    """Whether the group has no committed offset yet; `history` then holds every spike in the topic."""
    history: list[Received] = field(default_factory=list)
    """Spikes before the committed offset, oldest first, as far back as `look_back`."""
    spikes: list[Received] = field(default_factory=list)


class AlertConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Consumes the topic's only partition: one worker of the group has it, the others are on standby."""

    def __init__(self, settings: Settings, target: str, look_back: int = 0) -> None:
        """Create a consumer that is not yet started.

        Args:
            look_back: Number of records before the group's committed offset to read as its history.
        """
        kafka = settings.kafka
        self._topic = settings.topics.alerts
        self._target = target
        self._look_back = look_back
        self._at = TopicPartition(self._topic, 0)
        self._consumer = AIOKafkaConsumer(
            **connection.aiokafka(kafka) | {"metadata_max_age_ms": _METADATA_MS},
            group_id=f"{kafka.group_prefix}.alerts-{target}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(kafka.session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(kafka.heartbeat_seconds * 1000),
            rebalance_timeout_ms=int((kafka.rebalance_timeout_seconds + HAND_OVER_SECONDS) * 1000),
            max_poll_interval_ms=_MAX_POLL_INTERVAL_MS,
            request_timeout_ms=int(kafka.request_timeout_seconds * 1000),
        )
        self._busy = asyncio.Lock()
        self._ready = False
        """Whether the partition is assigned and its position is set."""
        self._fresh = False
        self._resume: int | None = None
        """The committed offset; None if the group never committed one."""

    @property
    def is_current(self) -> bool:
        """Whether this process should still deliver what it read last."""
        return self._ready and not self._fresh

    async def start(self) -> None:
        """Join the group.

        Raises:
            aiokafka.errors.KafkaError: The group cannot be joined.
        """
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()

    async def stop(self) -> None:
        """Leave the group."""
        await self._consumer.stop()

    async def read(self, seconds: float) -> AlertBatch:
        """Wait up to `seconds` for spikes; unreadable records are skipped.

        Raises:
            aiokafka.errors.KafkaError: The topic cannot be read.
        """
        if not self._ready:
            await asyncio.sleep(min(seconds, _IDLE_SECONDS))
            return AlertBatch()
        if self._fresh:
            return await self._read_history()
        records = await self._records(int(seconds * 1000))
        return AlertBatch(spikes=self._decoded(records)) if self.is_current else AlertBatch()

    async def is_at_end(self) -> bool:
        """Return whether the whole topic has been read."""
        highwater = self._consumer.highwater(self._at)
        return highwater is not None and await self.position() >= highwater

    async def position(self) -> int:
        """Return the offset after the last record read."""
        return int(await self._consumer.position(self._at))

    async def commit(self, offset: int) -> None:
        """Commit the offset: nothing before it will be delivered again."""
        with contextlib.suppress(kafka_errors.CommitFailedError, kafka_errors.IllegalStateError):
            # another worker has the topic by now: it continues from the last committed offset
            await self._consumer.commit({self._at: offset})

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Hold back rebalances during a delivery attempt and its commit, so that the next worker repeats nothing."""
        async with self._busy:
            yield

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Wait for the delivery in progress to finish and be committed."""
        self._ready = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_SECONDS), self._busy:
                pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Seek back to the start of the history."""
        if self._at in assigned:
            self._resume = await self._consumer.committed(self._at)
            first = (await self._consumer.beginning_offsets([self._at]))[self._at]
            start = first if self._resume is None else max(first, self._resume - self._look_back)
            self._consumer.seek(self._at, start)
            self._fresh = self._ready = True

    async def _read_history(self) -> AlertBatch:
        """Read the history and the spikes after it. If the assignment changes meanwhile, return an empty batch."""
        self._fresh = False
        records: list[Any] = []
        while True:
            records += await self._records(_POLL_MS)
            highwater = self._consumer.highwater(self._at)
            if not self.is_current:
                return AlertBatch()
            if highwater is not None:
                # an offset beyond the end was committed before the topic was recreated
                known = self._resume is not None and self._resume <= highwater
                end = self._resume if known and self._resume is not None else highwater
                if await self.position() >= end:
                    break
        return AlertBatch(
            fresh=True,
            first_time=not known,
            history=self._decoded(record for record in records if record.offset < end),
            spikes=self._decoded(record for record in records if record.offset >= end),
        )

    async def _records(self, timeout_ms: int) -> list[Any]:
        polled = await self._consumer.getmany(self._at, timeout_ms=timeout_ms, max_records=_MAX_RECORDS)
        return list(polled.get(self._at, []))

    def _decoded(self, records: Iterable[Any]) -> list[Received]:
        found = []
        for record in records:
            try:
                found.append(Received(record.offset, decode_spike(record.value, record.headers)))
            except BadMessage as error:
                at = record_location(record.topic, record.partition, record.offset)
                logger.warning("%s is not a readable spike and is not delivered to %s: %s", at, self._target, error)
        return found
