"""The times of every message are in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from streams.contracts import Post, decode_raw, encode

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)


def a_post(**fields: Any) -> Post:
    wanted: dict[str, Any] = {"source": "file", "id": "1", "text": "hello", "created_at": NOON} | fields
    return Post(**wanted)


def test_times_become_utc() -> None:
    written = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    post = a_post(created_at=written, edited_at=written)
    assert post.created_at.tzinfo is UTC
    assert decode_raw(encode(post).replace(b"12:00:00Z", b"17:30:00+05:30")) == post


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="created_at has no time zone"):
        a_post(created_at=NOON.replace(tzinfo=None))


def test_a_time_that_utc_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="created_at is out of range"):
        a_post(created_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))
