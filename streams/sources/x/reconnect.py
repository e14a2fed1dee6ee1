"""How long X wants to be left alone: a ladder for the network, one for HTTP, one for its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Ladder:
    """Each attempt waits longer than the one before: `add` seconds more, then times `factor`."""

    first: float
    most: float
    add: float = 0.0
    factor: float = 1.0
    _next: float | None = field(default=None, init=False)

    def next(self) -> float:
        """Seconds to wait now."""
        seconds = self.first if self._next is None else self._next
        self._next = min(seconds * self.factor + self.add, self.most)
        return seconds

    def reset(self) -> None:
        """After a success."""
        self._next = None


class ReconnectPauses:
    """What X's documentation asks of clients that lost the stream."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers from 0 to 1: pauses are up to a tenth longer, so that clients do not come in step."""
        self._jitter = jitter
        self._network = Ladder(0.25, 16.0, add=0.25)
        self._http = Ladder(5.0, 320.0, factor=2.0)
        self._limit = Ladder(60.0, 900.0, factor=2.0)

    def after_network_error(self) -> float:
        return self._with_jitter(self._network.next())

    def after_http_error(self) -> float:
        return self._with_jitter(self._http.next())

    def after_limit(self, reset_seconds: float) -> float:
        """`reset_seconds`: until the time that X names, 0 when it names none."""
        return self._with_jitter(max(self._limit.next(), reset_seconds))

    def reset(self) -> None:
        """Something came."""
        for ladder in (self._network, self._http, self._limit):
            ladder.reset()

    def _with_jitter(self, seconds: float) -> float:
        return seconds * (1 + self._jitter() / 10)
