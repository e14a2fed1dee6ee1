"""Waiting for what is unavailable: exponential back-off with jitter, so that clients do not retry in step."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_SECONDS = 0.5


class Backoff:
    """Exponential back-off from half a second up to `max_seconds`.

    Each wait is drawn from the upper half of its range ("equal jitter").
    """

    def __init__(self, max_seconds: float, jitter: Callable[[], float] = random.random) -> None:
        """Start at the shortest wait.

        Args:
            max_seconds: Upper limit of a wait.
            jitter: Returns random numbers from 0 to 1.
        """
        self._max = max_seconds
        self._jitter = jitter
        self._next = _FIRST_SECONDS

    def next(self) -> float:
        """Return how many seconds to wait before the next attempt; the wait after it is twice as long."""
        seconds = min(self._next, self._max)
        self._next = seconds * 2
        return seconds * (0.5 + self._jitter() / 2)

    def reset(self) -> None:
        """Start again at the shortest wait; call this after a success."""
        self._next = _FIRST_SECONDS


async def retry(
    attempt: Callable[[], Awaitable[T]],
    errors: type[Exception] | tuple[type[Exception], ...],
    backoff: Backoff,
    on_failure: Callable[[Exception, float], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Return the result of the first attempt that raises none of the temporary `errors`.

    Args:
        attempt: What to try.
        errors: After these it is tried again; any other error is raised.
        backoff: How long to wait after each failure.
        on_failure: Called with the error and the seconds until the next attempt; may raise to end the attempts.
        sleep: Waits for some seconds.
    """
    while True:
        try:
            return await attempt()
        except errors as error:
            seconds = backoff.next()
            on_failure(error, seconds)
            await sleep(seconds)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, but at most for some seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
