"""Pacing, on a simulated clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from streams.contracts import Post
from streams.sources.base import Batch, Unreadable
from streams.sources.files.pace import paced

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)


def post(second: float) -> Post:
    return Post(source="test", id=f"{second}", text="", created_at=BEGIN + timedelta(seconds=second))


class Clock:
    """A clock that advances only by sleeps, each `late` seconds longer than requested, and by what the test adds."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 100.0
        self.late = late

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late


async def given(*batches: Batch) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch


async def played(clock: Clock, speed: float, *batches: Batch) -> list[tuple[float, list[str], str | None]]:
    return [
        (round(clock.now - 100, 6), [content.id for content in contents if isinstance(content, Post)], cursor)
        async for contents, cursor in paced(given(*batches), speed, clock=clock, sleep=clock.sleep)
    ]


async def test_each_post_is_returned_at_its_time_and_the_cursor_last() -> None:
    batch = Batch([post(0), post(0), post(10), post(5), post(30)], "c")
    assert await played(Clock(), 10.0, batch) == [
        (0, ["0", "0"], None),
        (1, ["10", "5"], None),
        (3, ["30"], "c"),
    ]


async def test_delays_do_not_add_up() -> None:
    batches = [Batch([post(second)], f"{second}") for second in range(100)]
    times = [at for at, _, _ in await played(Clock(late=0.3), 1.0, *batches)]
    assert times[-1] == 99.3
    assert all(0 <= at - second <= 0.3 + 1e-6 for second, at in enumerate(times))


async def test_content_without_a_time_follows_its_predecessor() -> None:
    unreadable = Unreadable("file:x", 1, b"", "malformed", "")
    batches = [batch async for batch in paced(given(Batch([unreadable, post(0), unreadable], "c")), 1.0)]
    assert [(len(batch.contents), batch.cursor) for batch in batches] == [(3, "c")]
