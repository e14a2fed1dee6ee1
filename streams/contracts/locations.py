"""Where a record stands."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

ORIGIN_HEADER = "tagpulse-origin"
"""Where the record stands that this one was made of: `topic[partition]@offset`, as `record_location` writes it."""

Headers = Iterable[tuple[str, bytes | None]]

_LOCATION = re.compile(r"(.+)\[(-?[0-9]{1,19})\]@(-?[0-9]{1,19})", re.DOTALL)


def partition_name(topic: str, partition: int) -> str:
    """A partition, as every error, log line and table writes it: `topic[partition]`."""
    return f"{topic}[{partition}]"


def record_location(topic: str, partition: int, offset: int) -> str:
    """Where a record stands, as every error and log line writes it."""
    return f"{partition_name(topic, partition)}@{offset}"


def origin_of(headers: Headers) -> str | None:
    """What the origin header of a record says; None without one that `parse_location` reads."""
    for name, value in headers:
        if name == ORIGIN_HEADER and value:
            with contextlib.suppress(ValueError):
                location = value.decode()
                parse_location(location)
                return location
    return None


def parse_location(location: str) -> tuple[str, int, int]:
    """Topic, partition and offset of what `record_location` wrote. Raises ValueError."""
    found = _LOCATION.fullmatch(location)
    if found is None:
        raise ValueError(f"{location!r} is no topic[partition]@offset")
    return found[1], int(found[2]), int(found[3])
