"""Accessors for JSON of unknown shape: each returns a value of the expected type, or an empty default."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from streams.sources.times import parse_time

_MAX_COUNT = 2**63 - 1


def dicts(values: object) -> Iterator[dict[str, Any]]:
    """Return the objects in a list; none if the value is not a list."""
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else iter(())


def strings(values: object) -> Iterator[str]:
    """Return the strings in a list; none if the value is not a list."""
    return (value for value in values if isinstance(value, str)) if isinstance(values, list) else iter(())


def mapping(value: object) -> dict[str, Any]:
    """Return an object as it is, and an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def string(value: object) -> str:
    """Return a string as it is, and an empty one for any other value."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """Return a non-negative integer below 2⁶³ as it is, and 0 for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else 0


def time(value: object) -> datetime | None:
    """Return the time that a string holds, or None if it holds none."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
