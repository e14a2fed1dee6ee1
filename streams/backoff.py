"""Exponential back-off with jitter, so that clients do not retry in step."""

from __future__ import annotations

import random
from collections.abc import Callable

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
