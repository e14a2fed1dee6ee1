"""What tagpulse uses of Faust beyond its public API: the only module that does.

Faust has no public way to replace the steps of its consumer. The classes here give these steps public names.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.kafka import aiokafka_internals
from streams.kafka.checked_versions import require_checked

require_checked("faust-streaming")


class FaustThread(driver.AIOKafkaConsumerThread):
    """The thread in which Faust runs aiokafka's consumer."""

    @property
    def is_started(self) -> bool:
        """Whether aiokafka's consumer, `_consumer`, was created."""
        return self._consumer is not None

    @property
    def client(self) -> AIOKafkaConsumer:
        """aiokafka's consumer. Raises ConsumerNotStarted, as every call from Faust does."""
        return self._ensure_consumer()

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> AIOKafkaConsumer:
        """Create aiokafka's consumer, before `on_start` starts it."""
        consumer = super()._create_consumer(loop)
        aiokafka_internals.read_committed(consumer)
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit the offsets of assigned partitions, and return whether the group accepted any.

        If a rebalance has taken all of the partitions, Faust would commit nothing, which aiokafka refuses, and crash.
        """
        return not self.assignment().isdisjoint(offsets) and await super()._commit(offsets)


class FaustConsumer(driver.Consumer):
    """Faust's consumer with its own reading, acknowledging and committing left out."""

    logger = driver.logger

    @property
    def thread(self) -> Any:
        """The thread that `create_thread` returned, kept in `_thread`."""
        return self._thread

    @abstractmethod
    def create_thread(self) -> FaustThread:
        """Return the thread of this consumer; called by its constructor."""

    def _new_consumer_thread(self) -> FaustThread:
        return self.create_thread()

    @abstractmethod
    async def read_until(self, is_stopped: Callable[[], bool]) -> None:
        """Read records and pass them to `callback` until stopped: the body of Faust's fetcher service."""

    async def _drain_messages(self, fetcher: Any) -> None:
        await self.read_until(lambda: self.should_stop or fetcher.should_stop)

    @abstractmethod
    def tracked(self) -> Iterable[TP]:
        """Return the partitions in which records may wait for a commit."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterable[TP]:
        return [at for at in self.tracked() if topics is None or at in topics or at.topic in topics]

    @abstractmethod
    async def commit_acknowledged(self, partitions: Iterable[TP]) -> bool:
        """Commit what is acknowledged in these partitions, and return whether anything was committed.

        Called by the public `commit`, by one task at a time.
        """

    async def _commit_tps(self, tps: Iterable[TP], start_new_transaction: bool) -> bool:
        return await self.commit_acknowledged(tps)

    def fetched(self) -> frozenset[TP]:
        """Return the assigned partitions that are neither paused nor have a full buffer; may be called anywhere."""
        return frozenset(self._active_partitions)

    def forget_full_buffers(self) -> None:
        """Forget which partitions had a full buffer, or they would be fetched once their old buffer has room.

        Faust keeps them in `_buffered_partitions` over a rebalance.
        """
        self._buffered_partitions.clear()

    def to_message(self, at: TP, record: Any) -> Any:
        """Return Faust's message for a record of aiokafka, which only `_to_message` makes."""
        return self._to_message(at, record)


def created_consumer(app: faust.App) -> Any:
    """Return the consumer of an application, `_consumer`, or None: the public property creates one if there is none."""
    return app._consumer
