"""Merges several concurrent readers into one feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

Put = Callable[[T], Awaitable[None]]
_QUEUE_SIZE = 16  # each item may be a line of 2 MiB


async def merge(readers: Sequence[Callable[[Put[T]], Awaitable[None]]]) -> AsyncIterator[T]:
    """Yield the items of all readers as they arrive; readers wait while the consumer is busy.

    Ends when all readers have ended. An exception in one reader cancels the others and is raised here.
    """
    queue: asyncio.Queue[T] = asyncio.Queue(_QUEUE_SIZE)
    running: set[asyncio.Future[None]] = {asyncio.ensure_future(reader(queue.put)) for reader in readers}
    getting: asyncio.Future[T] | None = None
    try:
        while running or not queue.empty():
            getting = asyncio.ensure_future(queue.get())
            while not getting.done() and running:
                waiting: list[asyncio.Future[Any]] = [getting, *running]
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task in done]:
                    running.discard(task)
                    task.result()
            if not getting.done() and queue.empty():
                return
            yield await getting
    finally:
        tasks: list[asyncio.Future[Any]] = [*running, *([getting] if getting is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
