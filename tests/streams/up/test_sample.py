"""The sample day as a file that ends now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.contracts import Deletion, Post, decode_raw
from streams.sample_day import END, sample_day
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


def test_at_the_end_of_the_sample_day_nothing_is_shifted() -> None:
    assert recent_day(END) == list(sample_day())
    assert recent_day(END + timedelta(seconds=59)) == list(sample_day())


def test_all_times_of_a_message_are_shifted_by_the_same_whole_minutes() -> None:
    offset = timedelta(days=3, minutes=7)
    kinds = set()
    for old, new in zip(sample_day(), recent_day(END + offset + timedelta(seconds=59)), strict=True):
        assert new.key == old.key
        for name in ("created_at", "edited_at", "deleted_at", "collected_at"):
            time = getattr(old, name, None)
            assert getattr(new, name, None) == (None if time is None else time + offset)
            kinds |= {name} if time else set()
    assert {"created_at", "edited_at", "deleted_at"} <= kinds
