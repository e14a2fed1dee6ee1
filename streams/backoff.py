"""How long to wait before the next attempt: longer each time, and never in step with others."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST_SECONDS = 0.5


class Backoff:
    """Doubles from half a second to `max_seconds`, each wait drawn from its upper half ("equal jitter")."""

    def __init__(self, max_seconds: float, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` gives numbers from 0 to 1."""
        self._max = max_seconds
        self._jitter = jitter
        self._next = _FIRST_SECONDS

    def next(self) -> float:
        """Seconds to wait now."""
        seconds = min(self._next, self._max)
        self._next = seconds * 2
        return seconds * (0.5 + self._jitter() / 2)

    def reset(self) -> None:
        """After a success."""
        self._next = _FIRST_SECONDS
