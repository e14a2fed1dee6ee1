"""The sample day, shifted to end now, so that dashboards of the last hours show it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from streams.contracts import Deletion, Post, encode
from streams.sample_day import END, sample_day

_TIMES = ("created_at", "edited_at", "deleted_at", "collected_at")


def write_recent_day(path: Path, now: datetime) -> int:
    """Write the shifted sample day to a file, one message per line, and return the number of messages."""
    offset = timedelta(minutes=int((now - END).total_seconds() // 60))
    lines = [encode(_shifted(message, offset)) + b"\n" for message in sample_day()]
    path.write_bytes(b"".join(lines))
    return len(lines)


def _shifted(message: Post | Deletion, offset: timedelta) -> Post | Deletion:
    times = {name: value + offset for name in _TIMES if (value := getattr(message, name, None)) is not None}
    return msgspec.structs.replace(message, **times)
