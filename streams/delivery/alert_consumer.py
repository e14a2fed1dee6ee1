"""The spikes of `alerts.spikes`, read by a target as a consumer group of its own.

The position of the group is all that is remembered between two starts: it is committed behind what the target has taken.
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
"""Another worker waits this long for what is being told."""
_METADATA_MS = 5_000
_POLL_MS = 500
_MAX_RECORDS = 500
_IDLE_SECONDS = 1.0
# A target that is away for hours is waited for, and its topic kept: aiokafka would leave the group after five minutes.
_MAX_POLL_INTERVAL_MS = 7 * 24 * 3_600_000


class Received(NamedTuple):
    """A spike and where it stands."""

    offset: int
    spike: Spike


@dataclass
class AlertBatch:
    """What came since the last one."""

    fresh: bool = False
    """After a start, and whenever another worker may have had the topic meanwhile: what was known is void."""
    first_time: bool = False
    """The group has no position yet, and all there is stands in `history`."""
    history: list[Received] = field(default_factory=list)
    """What the group has behind it, oldest first, as far as `look_back` reaches."""
    spikes: list[Received] = field(default_factory=list)


class AlertConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """One worker of a group has the topic, whose only partition it is; the others wait to take its place."""

    def __init__(self, settings: Settings, target: str, look_back: int = 0) -> None:
        """`look_back`: so many records before the position of the group are read as its history."""
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
        """Whether the topic is ours and its position set."""
        self._fresh = False
        self._resume: int | None = None
        """The first record that the group has not behind it; None where no position was ever committed."""

    @property
    def is_current(self) -> bool:
        """Whether what was read last is still for this process to tell."""
        return self._ready and not self._fresh

    async def start(self) -> None:
        """Joins the group. Raises aiokafka's errors."""
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()

    async def stop(self) -> None:
        """Leaves the group."""
        await self._consumer.stop()

    async def read(self, seconds: float) -> AlertBatch:
        """Waits for spikes, `seconds` at most; what cannot be read is passed over. Raises aiokafka's errors."""
        if not self._ready:
            await asyncio.sleep(min(seconds, _IDLE_SECONDS))
            return AlertBatch()
        if self._fresh:
            return await self._read_again()
        records = await self._records(int(seconds * 1000))
        return AlertBatch(spikes=self._decoded(records)) if self.is_current else AlertBatch()

    async def is_at_end(self) -> bool:
        """Whether all that stands in the topic was read."""
        highwater = self._consumer.highwater(self._at)
        return highwater is not None and await self.position() >= highwater

    async def position(self) -> int:
        """Behind the last record that was read."""
        return int(await self._consumer.position(self._at))

    async def commit(self, offset: int) -> None:
        """What stands before the offset is not told again."""
        with contextlib.suppress(kafka_errors.CommitFailedError, kafka_errors.IllegalStateError):
            # another worker has the topic meanwhile: it goes on from where this one last committed
            await self._consumer.commit({self._at: offset})

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Around an attempt and its commit: another worker gets the topic only when they are done, and repeats nothing."""
        async with self._busy:
            yield

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Lets what is being told be finished and committed."""
        self._ready = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_SECONDS), self._busy:
                pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Goes back to what the target was told before."""
        if self._at in assigned:
            self._resume = await self._consumer.committed(self._at)
            begin = (await self._consumer.beginning_offsets([self._at]))[self._at]
            start = begin if self._resume is None else max(begin, self._resume - self._look_back)
            self._consumer.seek(self._at, start)
            self._fresh = self._ready = True

    async def _read_again(self) -> AlertBatch:
        """The history, and what came with it. An assignment that changes meanwhile is noticed by the next reading."""
        self._fresh = False
        records: list[Any] = []
        while True:
            records += await self._records(_POLL_MS)
            highwater = self._consumer.highwater(self._at)
            if not self.is_current:
                return AlertBatch()
            if highwater is not None:
                # a position above the end is that of a topic which was made anew
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
                logger.warning("%s is no spike, %s is not told of it: %s", at, self._target, error)
        return found
