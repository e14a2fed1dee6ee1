"""Events of a Faust stream, taken from its queue many at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any


async def take(
    stream: Any, size: int, within: float, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[list[Any]]:
    """The events of an agent's stream in batches of at most `size`, each complete `within` seconds of its first event.

    Faust's own `noack_take` takes several turns of the event loop for each event. As there, what was read before a rebalance
    is left out, and whoever takes the events acknowledges them with `stream.ack`. It ends when Faust stops the stream.
    """
    queue = aiter(stream.channel).queue
    while events := await _batch(queue, size, within, clock):
        current = _current(stream.app, events)
        if current:
            yield current


async def _batch(queue: Any, size: int, within: float, clock: Callable[[], float]) -> list[Any]:
    """The next events, none when Faust stops the stream."""
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
