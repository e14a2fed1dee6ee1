"""What the sources of live networks have in common."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from streams import metrics
from streams.contracts import Gap

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(days=7)


class Written(NamedTuple):
    """When a post was written, as the fields of `Post` say it."""

    created_at: datetime
    is_estimate: bool
    author_created_at: datetime | None


class PostTimes:
    """Replaces implausible times: an author's clock may be wrong, and every hour gets its own folder in the lake."""

    def __init__(self, max_age: timedelta = MAX_AGE) -> None:
        """`max_age`: how far before its arrival a time may lie."""
        self._max_age = max_age

    def believed(self, told: datetime | None, seen_at: datetime) -> datetime:
        """Return `told` if it lies at most `max_age` before `seen_at` and not after it, else `seen_at`."""
        return seen_at if told is None or told > seen_at or seen_at - told > self._max_age else told

    def written(self, told: datetime | None, seen_at: datetime) -> Written:
        """When a post was written whose author says `told`."""
        at = self.believed(told, seen_at)
        return Written(at, False, None) if at is told else Written(at, True, told)


def report_gap(source: str, origin: str, reason: str, *, since: datetime | None, now: datetime) -> Gap:
    """Counts and logs a gap that cannot be filled, and gives the record of it."""
    metrics.GAPS.labels(source).inc()
    began = "unknown" if since is None else since.isoformat(timespec="seconds")
    logger.error("gap in the feed of %s since %s: %s; what was posted meanwhile may be missing", origin, began, reason)
    return Gap(source=source, origin=origin, reason=reason[:500], found_at=now, since=since)


def show_behind(source: str, made_at: datetime, now: datetime) -> None:
    """Tells how far the source is behind the network, by the network's own clock."""
    metrics.SOURCE_BEHIND.labels(source).set(max(0.0, (now - made_at).total_seconds()))
