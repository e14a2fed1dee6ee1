"""Locations of records: `topic[partition]@offset`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

ORIGIN_HEADER = "tagpulse-origin"
"""Header with the location of the record that this one was made from, as formatted by `record_location`."""

Headers = Iterable[tuple[str, bytes | None]]

_WRONG = "{!r} is not a place of the form topic[partition]@offset, such as posts.dead[0]@12"
_LOCATION = re.compile(r"(.+)\[(-?[0-9]{1,19})\]@(-?[0-9]{1,19})", re.DOTALL)


def partition_name(topic: str, partition: int) -> str:
    """Format a partition as `topic[partition]`, the form used in every error, log line and table."""
    return f"{topic}[{partition}]"


def record_location(topic: str, partition: int, offset: int) -> str:
    """Format the location of a record as `topic[partition]@offset`, the form used in every error and log line."""
    return f"{partition_name(topic, partition)}@{offset}"


def origin_of(headers: Headers) -> str | None:
    """Return the origin header of a record, or None if it is missing or `parse_location` cannot read it."""
    for name, value in headers:
        if name == ORIGIN_HEADER and value:
            with contextlib.suppress(ValueError):
                location = value.decode()
                parse_location(location)
                return location
    return None


def parse_location(location: str) -> tuple[str, int, int]:
    """Return the topic, partition and offset of a location formatted by `record_location`.

    Raises:
        ValueError: The text is not a location.
    """
    found = _LOCATION.fullmatch(location)
    if found is None:
        raise ValueError(_WRONG.format(location))
    return found[1], int(found[2]), int(found[3])


def check_location(location: str) -> str:
    """Return the location of a record. Raises ValueError, also for negative numbers: of a record that was never sent."""
    if min(parse_location(location)[1:]) < 0:
        raise ValueError(_WRONG.format(location))
    return location
