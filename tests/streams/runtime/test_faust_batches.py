"""Batches of events: filled with what has arrived, yielded in time, and never from before a rebalance."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from mode.utils.queues import FlowControlEvent, ThrowableQueue

from streams.runtime.faust_batches import take
from tests.helpers.processes import eventually


class Channel:
    """The channel of a Faust stream, whose iterator has a queue."""

    def __init__(self) -> None:
        self.queue: Any = asyncio.Queue()

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> Any:
        return await self.queue.get()


class Stream:
    """The stream of an application whose consumer reads for its second assignment."""

    def __init__(self, *generations: int) -> None:
        self.channel = Channel()
        self.is_active = True
        self.app = SimpleNamespace(consumer=self)
        self.put(*generations)

    def is_current(self, message: Any) -> bool:
        return self.is_active and bool(message.generation_id == 2)

    def put(self, *generations: int) -> None:
        for generation in generations:
            message = SimpleNamespace(generation_id=generation, offset=self.channel.queue.qsize())
            self.channel.queue.put_nowait(SimpleNamespace(message=message))


def _offsets(events: list[Any]) -> list[int]:
    return [event.message.offset for event in events]


async def test_what_has_arrived_is_taken_at_once_up_to_the_size() -> None:
    batches = take(Stream(2, 2, 2, 2), 3, 3_600.0)
    assert _offsets(await anext(batches)) == [0, 1, 2]


async def test_a_batch_that_is_not_full_is_complete_in_time() -> None:
    stream = Stream(2, 2)
    batches = take(stream, 100, 0.01)
    assert _offsets(await anext(batches)) == [0, 1]
    stream.put(2)
    assert _offsets(await anext(batches)) == [0]


async def test_what_comes_late_still_fills_the_batch() -> None:
    stream = Stream(2)
    batch = asyncio.ensure_future(anext(take(stream, 2, 3_600.0)))
    await eventually(stream.channel.queue.empty)
    stream.put(2)
    assert len(await batch) == 2


async def test_nothing_from_before_a_rebalance_or_during_one_is_taken() -> None:
    stream = Stream(1, 2, 1, 2)
    batches = take(stream, 4, 3_600.0)
    assert _offsets(await anext(batches)) == [1, 3]
    stream.is_active = False
    stream.put(2, 2, 2, 2)
    batch = asyncio.ensure_future(anext(batches))
    await eventually(stream.channel.queue.empty)
    stream.is_active = True
    stream.put(2, 1, 1, 1)
    assert _offsets(await batch) == [0]


async def test_a_stream_that_is_stopped_ends() -> None:
    stream = Stream()
    queue = stream.channel.queue = ThrowableQueue(flow_control=FlowControlEvent(initially_suspended=False))
    batch = asyncio.ensure_future(anext(take(stream, 2, 3_600.0), None))
    await asyncio.sleep(0)
    await queue.throw(StopAsyncIteration())
    assert await batch is None
