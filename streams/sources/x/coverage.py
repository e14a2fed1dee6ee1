"""Tracks up to when a stream of X was received, what to backfill after a cut, and what is lost."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from streams.contracts import Gap
from streams.sources.base import Content
from streams.sources.live import report_gap
from streams.sources.wire import TooLong
from streams.sources.x.tweet import SOURCE, time_of

_CONNECTING = timedelta(seconds=30)  # X counts the minutes back from when it accepts the connection
_MAX_CATCH_UP = timedelta(minutes=1)
_STALL = timedelta(minutes=1)
_MIN_LAG = timedelta(minutes=1)
_MAX_LAG = timedelta(days=1)  # a longer lag means that a clock is wrong


class StreamStep(NamedTuple):
    """A line of a stream or finished content; with neither, a sign that the stream is alive."""

    stream: str
    line: bytes | TooLong | None = None
    content: Content | None = None
    whole_until: datetime | None = None
    """Time up to which the stream was received, or its gap reported."""


class Loss(NamedTuple):
    """A missed part of a stream that X does not resend."""

    since: datetime
    why: str

    def gap(self, origin: str, now: datetime) -> Gap:
        """Report the loss and return it as a Gap."""
        return report_gap(SOURCE, origin, self.why, since=None if self.since > now else self.since, now=now)


class StreamCoverage:
    """Time up to which one stream was received completely, across its connections.

    X resends missed lines before new ones. Until all of them have arrived, the old time is kept, so that they are
    requested again after another cut or a crash. The time of a line is that of its post: if Kafka is slow, or the
    process was suspended, the lines in the buffers may end long before the present.
    """

    def __init__(self, what: str, backfill_minutes: int, whole_until: datetime | None) -> None:
        """Start from what an earlier run has received.

        Args:
            what: Name of the contents for messages, in the plural.
            backfill_minutes: The most that X resends; 0 if it resends nothing.
            whole_until: Time up to which the stream was received; None if nothing was received before.
        """
        self.whole_until = whole_until
        self._what = what
        self._max_backfill = timedelta(minutes=backfill_minutes)
        self._opened_at = datetime.min.replace(tzinfo=UTC)
        self._read_at = self._opened_at
        self._is_catching_up = False
        self._keep_alive_is_new = True
        self._lag = timedelta()
        self._missed: Loss | None = None

    def backfill(self, now: datetime) -> dict[str, str]:
        """Return the query parameters with which a new connection requests what was missed."""
        self._is_catching_up = self.whole_until is not None and bool(self._max_backfill)
        if self.whole_until is None or not self._max_backfill:
            return {}
        away = now - self.whole_until
        wanted = self._max_backfill if away < timedelta() else min(self._max_backfill, away + _CONNECTING)
        return {"backfill_minutes": str(math.ceil(wanted / timedelta(minutes=1)))}

    def opened(self, now: datetime) -> None:
        """Record that X accepted the connection."""
        self._opened_at = self._read_at = now
        self._keep_alive_is_new, self._lag = True, timedelta()
        self._missed = self._lost_beyond_backfill(now)

    def heard(self, line: bytes | TooLong, now: datetime) -> Loss | None:
        """Record a line, which is empty if X has nothing to send; return any loss at the first line of a connection."""
        missed, self._missed = self._missed, None
        if missed is not None:
            self.whole_until = self._opened_at - self._max_backfill
        if now - self._read_at > _STALL:
            self._is_catching_up, self._opened_at, self._keep_alive_is_new = True, now, False
        self._read_at = now
        made = None if isinstance(line, TooLong) or not line else time_of(line)
        if made is not None:
            self._lag = now - made if _MIN_LAG < now - made < _MAX_LAG else timedelta()
        if self._is_catching_up:
            is_new = made >= self._opened_at if made else not line and self._keep_alive_is_new
            self._is_catching_up = not is_new and now - self._opened_at < _MAX_CATCH_UP
        if not self._is_catching_up:
            self.whole_until = now - self._lag
        return missed

    def _lost_beyond_backfill(self, now: datetime) -> Loss | None:
        since = self.whole_until
        if since is None:
            return None
        away = now - since
        if away < timedelta():
            why = (
                f"{self._what} were received until {since:%Y-%m-%d %H:%M:%S}, which is in the future: "
                "the clock was set back"
            )
            return Loss(since, why)
        if away <= self._max_backfill:
            return None
        if not self._max_backfill:
            why = "the connection was lost, and X resends nothing without TAGPULSE_X__BACKFILL_MINUTES"
            return Loss(since, why)
        return Loss(since, f"{self._what} were not received for {away}; X resends only the last {self._max_backfill}")
