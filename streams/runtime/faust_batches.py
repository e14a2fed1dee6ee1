"""Batches of events, taken directly from the queue of a Faust stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any


async def take(
    stream: Any, size: int, within: float, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[list[Any]]:
    """Yield the events of an agent's stream in batches, until Faust stops the stream.

    Faust's own `noack_take` needs several iterations of the event loop per event. As there, events read before a
    rebalance are dropped, and the caller acknowledges events with `stream.ack`.

    Args:
        stream: The stream of a Faust agent.
        size: Maximum number of events in a batch.
        within: Maximum time from the first event of a batch until it is yielded, in seconds.
        clock: Monotonic clock, in seconds.
    """
    queue = aiter(stream.channel).queue
    while events := await _batch(queue, size, within, clock):
        current = _current(stream.app, events)
        if current:
            yield current


async def _batch(queue: Any, size: int, within: float, clock: Callable[[], float]) -> list[Any]:
    """Return the next events, or an empty list when Faust stops the stream."""
    events: list[Any] = []
    until = 0.0
    try:
        while len(events) < size:
            if not queue.empty():
                events.append(queue.get_nowait())
            elif events:
                events.append(await asyncio.wait_for(queue.get(), until - clock()))
            else:
                events.append(await queue.get())
            if len(events) == 1:
                until = clock() + within
    except TimeoutError:
        return events
    except StopAsyncIteration:
        return []
    return events


def _current(app: Any, events: Sequence[Any]) -> list[Any]:
    return [event for event in events if app.consumer.is_current(event.message)]
