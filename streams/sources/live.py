"""Helpers shared by the live sources: clocks and dice, plausible post times, gaps and lag."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from streams import metrics
from streams.contracts import Gap, utc_now

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The clocks and dice by which a live source waits."""

    now: Callable[[], datetime] = utc_now
    clock: Callable[[], float] = time.monotonic
    """Monotonic clock, in seconds."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    """Returns numbers from 0 to 1, which make the pauses of clients differ."""


REAL_TIME = Timing()


class PostTime(NamedTuple):
    """The fields of a `Post` that hold when it was written."""

    created_at: datetime
    is_estimate: bool
    author_created_at: datetime | None


class PostTimes:
    """Replaces implausible times: an author's clock may be wrong, and every hour gets its own folder in the lake."""

    def __init__(self, max_age: timedelta = MAX_AGE) -> None:
        """Set the range of plausible times.

        Args:
            max_age: How far a time may lie before its arrival.
        """
        self._max_age = max_age

    def believed(self, claimed: datetime | None, seen_at: datetime) -> datetime:
        """Return `claimed` if it is at most `max_age` before `seen_at` and not after it, else `seen_at`."""
        return seen_at if claimed is None or claimed > seen_at or seen_at - claimed > self._max_age else claimed

    def written(self, claimed: datetime | None, seen_at: datetime) -> PostTime:
        """Return the times of a post whose author claims to have written it at `claimed`."""
        at = self.believed(claimed, seen_at)
        return PostTime(at, False, None) if at is claimed else PostTime(at, True, claimed)


def report_gap(source: str, origin: str, reason: str, *, since: datetime | None, now: datetime) -> Gap:
    """Count and log a gap that cannot be filled, and return it as a Gap."""
    metrics.GAPS.labels(source).inc()
    began = "unknown" if since is None else since.isoformat(timespec="seconds")
    logger.error("gap in the feed of %s since %s: %s; posts made meanwhile may be missing", origin, began, reason)
    return Gap(source=source, origin=origin, reason=reason[:500], found_at=now, since=since)


def update_lag(source: str, made_at: datetime, now: datetime) -> None:
    """Update the metric of how far the source is behind the network, by the network's own clock."""
    metrics.SOURCE_BEHIND.labels(source).set(max(0.0, (now - made_at).total_seconds()))
