"""The alarm rules that are compared: tagpulse's detector, and the two rules that people usually write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from spike_feed import DAY, Feed

from streams.contracts import SensitivityName
from streams.spikes import Detector, MinuteCounts

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = 15
LEAST_POSTS = 10
COOL_DOWN = 30


def tagpulse(feed: Feed, sensitivity: SensitivityName = "middle") -> list[int]:
    """Return the minutes after whose end tagpulse's detector knows of a negative spike."""
    detector, minute, found = Detector(sensitivity), START, []
    columns = (feed.posts, feed.negative, feed.independent_posts, feed.independent_negative)
    for number, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        posts, negative, independent_posts, independent_negative = row
        counts = MinuteCounts(
            minute,
            "a",
            posts,
            negative,
            independent_posts=independent_posts,
            independent_negative=independent_negative,
            fingerprints=feed.fingerprints.get(number, {}),
        )
        for event in detector.feed(minute, [counts] if posts else []):
            if event.kind == "negative" and event.state == "open":
                found.append(round((event.known_at - START) / timedelta(minutes=1)) - 1)
        minute += timedelta(minutes=1)
    return found


def twice_the_day(feed: Feed) -> list[int]:
    """Return the minutes in which the share over 15 minutes rises above twice its daily average (the usual Prometheus rule)."""
    share, enough = _share(feed, WINDOW)
    day, _ = _share(feed, DAY)
    return _alarms(enough & (share > 2 * day))


def three_sigma(feed: Feed) -> list[int]:
    """Return the minutes in which the share over 15 minutes rises three standard deviations above its mean of the last day."""
    share, enough = _share(feed, WINDOW)
    mean = _mean(share, DAY)
    deviation = np.sqrt(np.maximum(0, _mean(share**2, DAY) - mean**2))
    return _alarms(enough & (share > mean + 3 * deviation))


RULES = {"tagpulse": tagpulse, "share > 2 x its 1-day average": twice_the_day, "3 sigma of a day": three_sigma}


def _share(feed: Feed, minutes: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    posts, negative = _sum(feed.posts, minutes), _sum(feed.negative, minutes)
    return negative / np.maximum(posts, 1), posts >= LEAST_POSTS


def _sum(values: npt.NDArray[np.int64] | npt.NDArray[np.float64], minutes: int) -> npt.NDArray[np.float64]:
    sums = np.concatenate([np.zeros(minutes), np.cumsum(values)])
    windows: npt.NDArray[np.float64] = sums[minutes:] - sums[:-minutes]
    return windows


def _mean(values: npt.NDArray[np.float64], minutes: int) -> npt.NDArray[np.float64]:
    return _sum(values, minutes) / np.minimum(np.arange(len(values) + minutes)[minutes:] - minutes + 1, minutes)


def _alarms(raised: npt.NDArray[np.bool_]) -> list[int]:
    """Return the minutes in which an alarm starts after the cool-down; the first day has no baseline."""
    found: list[int] = []
    last = -COOL_DOWN
    for minute in np.flatnonzero(raised).tolist():
        if minute >= DAY and minute - last > COOL_DOWN:
            found.append(minute)
        last = minute
    return found
