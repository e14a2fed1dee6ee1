"""The wait that a server asks for in a header such as `Retry-After`."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST_TIME = 10**8
"""Larger numbers are seconds since 1970 rather than from now."""


def seconds_asked(header: str | None, now: float, at_most: float) -> float | None:
    """Return the seconds that a header asks for, from 0 to `at_most`; None if there is none, or it is invalid.

    Args:
        header: Seconds from now, seconds since 1970, ISO 8601 or an HTTP date.
        now: Seconds since 1970.
        at_most: Limit of the wait, since a server's clock may be wrong by years.
    """
    text = header or ""
    try:
        if text.isascii() and text.isdigit():
            number = float(text[:15])
            seconds = number - now if number > _FIRST_TIME else number
        else:
            moment = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, seconds), at_most)
