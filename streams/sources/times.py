"""Parses and checks times as files and networks write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from streams.contracts import Deletion, Post

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of two machines may differ."""

_TWITTER_EPOCH_MS = 1_288_834_974_657
_TWITTER_TIME_SHIFT = 22
_FIRST_TIMED_TWEET = 29_700_859_247  # ids below it are from before November 2010 and contain no time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DIGITS = 9  # fewer digits are a year or a date such as 20260620 rather than seconds
_MAX_EPOCH_SECONDS = 100_000_000_000  # larger numbers count milliseconds
_TWITTER_TIME = re.compile(r"\w{3} (\w{3}) (\d{2}) (\d{2}:\d{2}:\d{2}) (\+\d{4}) (\d{4})")


def check_past(message: Post | Deletion, now: datetime) -> None:
    """Raise ValueError if any time of the message is more than a minute after `now`."""
    for name in ("created_at", "edited_at", "collected_at", "deleted_at"):
        at: datetime | None = getattr(message, name, None)
        if at is not None and at - now > CLOCKS_DIFFER:
            raise ValueError(f"{name} is in the future: {at.isoformat()}")


def tweet_time(tweet_id: str) -> datetime:
    """Return the time in a tweet's id: `(id >> 22) + 1288834974657` milliseconds since the Unix epoch.

    Raises:
        ValueError: The id is not from November 2010 or later.
    """
    number = int(tweet_id) if tweet_id.isascii() and tweet_id.isdigit() and len(tweet_id) < 20 else 0
    if number < _FIRST_TIMED_TWEET:
        raise ValueError(f"no time in the id {tweet_id[:40]!r}: it is not a tweet id of November 2010 or later")
    return _EPOCH + timedelta(milliseconds=(number >> _TWITTER_TIME_SHIFT) + _TWITTER_EPOCH_MS)


def parse_time(text: str) -> datetime:
    """Parse RFC 3339, ISO 8601 (UTC if it has no zone), seconds or milliseconds since 1970, X's own form, or RFC 2822.

    Raises:
        ValueError: The text has none of these forms.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) >= _EPOCH_DIGITS:
        number = int(text[:18])
        return _EPOCH + timedelta(milliseconds=number if number >= _MAX_EPOCH_SECONDS else number * 1000)
    if found := _TWITTER_TIME.fullmatch(text):
        month, day, time, zone, year = found.groups()
        return datetime.strptime(f"{year} {month} {day} {time} {zone}", "%Y %b %d %H:%M:%S %z").astimezone(UTC)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        try:
            parsed = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            raise ValueError(f"not a recognised time: {text[:40]!r}") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
