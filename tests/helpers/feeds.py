"""Reading from a live source in a test."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from streams.contracts import Deletion, Post
from streams.sources.base import Batch, Content, Source
from tests.helpers.scrapes import value_of


async def no_sleep(seconds: float) -> None:
    """Yield to the event loop without waiting."""
    await asyncio.sleep(0)


async def take(source: Source, count: int, seconds: float = 10) -> tuple[list[Content], list[Batch]]:
    """Read until at least `count` contents have arrived, and return them with their batches."""
    contents: list[Content] = []
    batches: list[Batch] = []
    async with asyncio.timeout(seconds), contextlib.aclosing(source.batches()) as reading:  # type: ignore[type-var]
        async for batch in reading:
            batches.append(batch)
            contents += batch.contents
            if len(contents) >= count:
                break
    return contents, batches


def numbers(contents: list[Content]) -> list[int]:
    """Return the numbers at the end of the ids of posts and deletions."""
    return [int(content.id.rpartition("/")[2]) for content in contents if isinstance(content, Post | Deletion)]


def counted(metric: Any, source: str) -> float:
    """Return the value of a metric for a source."""
    return value_of(metric.labels(source))
