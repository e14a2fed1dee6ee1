"""Faust's consumer, handing over many records at a time (by itself it makes four tasks for each of them), and sure of what
it committed.

What it does around a rebalance stays: nothing is handed over while the flow is suspended, and a record that was read before
is not handed over again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver

from streams.waiting import waiting

_AT_ONCE = 100
_FETCH_SECONDS = 1.0


class _Consumer(driver.Consumer):
    logger = driver.logger

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self.sleep(0)  # a fetch that has its answer gives the event loop no turn
                messages: list[tuple[Any, Any]] = []
                async for message in self.getmany(timeout=_FETCH_SECONDS):
                    messages.append(message)
                    if len(messages) == _AT_ONCE:
                        await self._hand_over(messages)
                        messages = []
                await self._hand_over(messages)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    async def _hand_over(self, messages: Sequence[tuple[Any, Any]]) -> None:
        if messages:
            await self.wait_first(self._deliver(messages), self.suspend_flow.wait())

    async def _deliver(self, messages: Sequence[tuple[Any, Any]]) -> None:
        for place, message in messages:
            read, offset = self._read_offset[place], message.offset
            if read is not None and offset < read:
                continue
            if read and offset - read > 1 and self.app.topics.acks_enabled_for(message.topic):
                await self._add_gap(place, read + 1, offset)
            await self.callback(message)
            self._read_offset[place] = offset

    async def _commit_offsets(self, offsets: Mapping[Any, int], start_new_transaction: bool = True) -> bool:
        """Faust books a commit that the group refused as done: if the partition has come back meanwhile, what is read
        again would never be committed, unless more follows."""
        assigned = self.assignment()
        offsets = {place: offset for place, offset in offsets.items() if place in assigned}
        if not offsets or not await self._commit(offsets):
            return False
        self._committed_offset.update(offsets)
        return True

    def standing(self) -> list[str]:
        """What it believes of each partition, and what its thread waits for: for whoever looks into a stall."""
        partitions = [
            f"{place.topic}[{place.partition}] read to {self._read_offset[place]}, committed {self._committed_offset[place]}, "
            f"{len(self._acked[place])} acknowledged from {min(self._acked[place], default=None)}, "
            f"{'fetched' if place in self._active_partitions else 'not fetched'}"
            for place in sorted(self.assignment())
        ]
        return [f"flow {'active' if self.flow_active else 'stopped'}", *partitions, *waiting(self._thread.thread_loop)]


class _Transport(driver.Transport):
    Consumer = _Consumer


def in_bulk(app: faust.App) -> None:
    """Lets the application read so."""
    app.transport = _Transport(app.conf.broker_consumer, app)
