"""Plays posts at the speed at which they were written."""

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
    """Gives each post when its time has come, `speed` times as fast as in life; what is older than the first goes at once.

    The deadlines count from the first post, so that delays do not add up. A batch is split where it has to wait; only
    its last part carries the cursor.
    """
    begin: tuple[float, datetime] | None = None
    async for contents, cursor in batches:
        due: list[Content] = []
        for content in contents:
            at = _event_time(content)
            if at is not None:
                begin = begin or (clock(), at)
                wait = begin[0] + (at - begin[1]).total_seconds() / speed - clock()
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
