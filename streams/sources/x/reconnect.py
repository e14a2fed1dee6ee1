"""Reconnect back-off as the X API requires it, separate for network errors, HTTP errors and rate limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class BackoffSchedule:
    """Pauses in seconds that grow with each attempt, from `first` to at most `most`: times `factor`, plus `add`."""

    first: float
    most: float
    add: float = 0.0
    factor: float = 1.0
    _next: float | None = field(default=None, init=False)

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        seconds = self.first if self._next is None else self._next
        self._next = min(seconds * self.factor + self.add, self.most)
        return seconds

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self._next = None


class ReconnectBackoff:
    """Pauses before reconnecting, as X's documentation requires them."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """Start with the first pauses.

        Args:
            jitter: Returns numbers from 0 to 1, which make pauses up to a tenth longer, so that clients spread out.
        """
        self._jitter = jitter
        self._network = BackoffSchedule(0.25, 16.0, add=0.25)
        self._http = BackoffSchedule(5.0, 320.0, factor=2.0)
        self._limit = BackoffSchedule(60.0, 900.0, factor=2.0)

    def after_network_error(self) -> float:
        """Return the seconds to wait after a network error."""
        return self._with_jitter(self._network.next())

    def after_http_error(self) -> float:
        """Return the seconds to wait after an HTTP error."""
        return self._with_jitter(self._http.next())

    def after_limit(self, reset_seconds: float) -> float:
        """Return the seconds to wait after reaching a rate limit.

        Args:
            reset_seconds: Seconds until the reset time that X gives, or 0 if it gives none.
        """
        return self._with_jitter(max(self._limit.next(), reset_seconds))

    def reset(self) -> None:
        """Start again with the first pauses, after something was received."""
        for ladder in (self._network, self._http, self._limit):
            ladder.reset()

    def _with_jitter(self, seconds: float) -> float:
        return seconds * (1 + self._jitter() / 10)
