"""JSON whose shape nobody vouches for: each look at it gives what fits and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from streams.sources.times import parse_time

_MAX_COUNT = 2**63 - 1


def dicts(values: object) -> Iterator[dict[str, Any]]:
    """The objects in a list; none when it is no list."""
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else iter(())


def strings(values: object) -> Iterator[str]:
    """The strings in a list; none when it is no list."""
    return (value for value in values if isinstance(value, str)) if isinstance(values, list) else iter(())


def mapping(value: object) -> dict[str, Any]:
    """The object itself, else an empty one."""
    return value if isinstance(value, dict) else {}


def string(value: object) -> str:
    """The string itself, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """A number from 0 up, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else 0


def time(value: object) -> datetime | None:
    """The time that a string tells, None when it tells none."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
