"""Faust's consumer, handing over many records at a time: by itself it makes four tasks for each of them.

What it does around a rebalance stays: nothing is handed over while the flow is suspended, and a record that was read before
is not handed over again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver

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


class _Transport(driver.Transport):
    Consumer = _Consumer


def in_bulk(app: faust.App) -> None:
    """Lets the application read so."""
    app.transport = _Transport(app.conf.broker_consumer, app)
