"""The sample day as a file that ends now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.contracts import Deletion, Post, decode_raw
from streams.up.sample import recent_day, write_day


def test_the_sample_day_ends_now(tmp_path: Path) -> None:
    now = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    path = tmp_path / "day.jsonl"
    day = recent_day(now)
    write_day(day, path)
    read = [decode_raw(text) for text in path.read_bytes().splitlines()]
    assert len(read) == len(day)
    times = [message.created_at if isinstance(message, Post) else message.deleted_at for message in read]
    assert now - timedelta(minutes=5) < max(times) <= now
    assert min(times) > now - timedelta(hours=12, minutes=5)
    assert any(isinstance(message, Deletion) for message in read)
