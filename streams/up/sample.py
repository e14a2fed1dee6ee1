"""The sample day as if it ended now, so that dashboards of the last hours show it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from streams.contracts import Deletion, Post, encode
from streams.sample_day import END, sample_day

_TIMES = ("created_at", "edited_at", "deleted_at", "collected_at")


def write_recent_day(path: Path, now: datetime) -> int:
    """Writes it, one message a line; answers how many there are."""
    by = timedelta(minutes=int((now - END).total_seconds() // 60))
    lines = [encode(_moved(message, by)) + b"\n" for message in sample_day()]
    path.write_bytes(b"".join(lines))
    return len(lines)


def _moved(message: Post | Deletion, by: timedelta) -> Post | Deletion:
    times = {name: value + by for name in _TIMES if (value := getattr(message, name, None)) is not None}
    return msgspec.structs.replace(message, **times)
