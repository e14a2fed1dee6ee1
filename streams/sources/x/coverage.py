"""Up to when a stream of X was heard: what it is to send again after a cut, and what it does not."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from streams.contracts import Gap
from streams.sources.base import Content
from streams.sources.live import report_gap
from streams.sources.wire import TooLong
from streams.sources.x.tweet import SOURCE, time_of

_OPENING = timedelta(seconds=30)  # X counts its minutes back from when it takes the connection
_CATCHING_UP = timedelta(minutes=1)
_STALL = timedelta(minutes=1)
_LATE = timedelta(minutes=1)
_TOO_LATE = timedelta(days=1)  # then a clock is wrong


class StreamStep(NamedTuple):
    """A line of a stream, or a finished content; neither: the stream is alive."""

    stream: str
    line: bytes | TooLong | None = None
    content: Content | None = None
    whole_until: datetime | None = None
    """Up to here the stream was heard, or its gap reported."""


class Missed(NamedTuple):
    """What X does not send again."""

    since: datetime
    why: str

    def gap(self, origin: str, now: datetime) -> Gap:
        """Reports it."""
        return report_gap(SOURCE, origin, self.why, since=None if self.since > now else self.since, now=now)


class StreamCoverage:
    """One stream, over its connections.

    What X sends again comes before what is new. Until all of that came the old time stands, so that after a second cut,
    or a crash, it is asked for once more. What is read is as old as its posts: when Kafka is slow, or the process stood,
    the lines that wait for us may end long before now.
    """

    def __init__(self, what: str, backfill_minutes: int, whole_until: datetime | None) -> None:
        """`what`: its contents, in the plural; `whole_until`: None when nothing was heard before."""
        self.whole_until = whole_until
        self._what = what
        self._most = timedelta(minutes=backfill_minutes)
        self._opened_at = datetime.min.replace(tzinfo=UTC)
        self._read_at = self._opened_at
        self._catches_up = False
        self._silence_is_new = True
        self._late = timedelta()
        self._missed: Missed | None = None

    def backfill(self, now: datetime) -> dict[str, str]:
        """The parameters that ask a new connection for what was missed."""
        self._catches_up = self.whole_until is not None and bool(self._most)
        if self.whole_until is None or not self._most:
            return {}
        away = now - self.whole_until
        wanted = self._most if away < timedelta() else min(self._most, away + _OPENING)
        return {"backfill_minutes": str(math.ceil(wanted / timedelta(minutes=1)))}

    def opened(self, now: datetime) -> None:
        """X took the connection."""
        self._opened_at = self._read_at = now
        self._silence_is_new, self._late = True, timedelta()
        self._missed = self._beyond_backfill(now)

    def heard(self, line: bytes | TooLong, now: datetime) -> Missed | None:
        """A line came, an empty one when X has nothing to tell; the first one tells what was missed."""
        missed, self._missed = self._missed, None
        if missed is not None:
            self.whole_until = self._opened_at - self._most
        if now - self._read_at > _STALL:
            self._catches_up, self._opened_at, self._silence_is_new = True, now, False
        self._read_at = now
        made = None if isinstance(line, TooLong) or not line else time_of(line)
        if made is not None:
            self._late = now - made if _LATE < now - made < _TOO_LATE else timedelta()
        if self._catches_up:
            is_new = made >= self._opened_at if made else not line and self._silence_is_new
            self._catches_up = not is_new and now - self._opened_at < _CATCHING_UP
        if not self._catches_up:
            self.whole_until = now - self._late
        return missed

    def _beyond_backfill(self, now: datetime) -> Missed | None:
        since = self.whole_until
        if since is None:
            return None
        away = now - since
        if away < timedelta():
            why = f"{self._what} were heard until {since:%Y-%m-%d %H:%M:%S}, which is still to come: the clock was set back"
            return Missed(since, why)
        if away <= self._most:
            return None
        if not self._most:
            why = "the connection was cut, and without TAGPULSE_X__BACKFILL_MINUTES nothing is sent again"
            return Missed(since, why)
        return Missed(since, f"{self._what} were not heard for {away}, X sends {self._most} again")
