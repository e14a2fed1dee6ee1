"""Replays posts at the pace at which they were written, or a multiple of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from streams.contracts import Deletion, Post
from streams.sources.base import Batch, Content


async def paced(
    batches: AsyncIterator[Batch],
    speed: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Batch]:
    """Yield each post when it is due, at `speed` times real time; posts older than the first one are due immediately.

    Due times are relative to the first post, so that delays do not add up. A batch is split at each wait, and only its
    last part carries the cursor.
    """
    start: tuple[float, datetime] | None = None
    async for contents, cursor in batches:
        due: list[Content] = []
        for content in contents:
            at = _event_time(content)
            if at is not None:
                start = start or (clock(), at)
                wait = start[0] + (at - start[1]).total_seconds() / speed - clock()
                if wait > 0:
                    if due:
                        yield Batch(due, None)
                        due = []
                    await sleep(wait)
            due.append(content)
        yield Batch(due, cursor)


def _event_time(content: Content) -> datetime | None:
    match content:
        case Post():
            return content.created_at
        case Deletion():
            return content.deleted_at
        case _:
            return None
