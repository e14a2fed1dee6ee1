"""The sample day as a file, and shifted to end now, so that dashboards of the last hours show it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from streams.contracts import Deletion, Post, encode
from streams.sample_day import END, sample_day

_TIMES = ("created_at", "edited_at", "deleted_at", "collected_at")


def write_day(day: Iterable[Post | Deletion], path: Path) -> None:
    """Write the messages of a day to a file, one per line."""
    with path.open("wb") as file:
        file.writelines(encode(message) + b"\n" for message in day)


def recent_day(now: datetime) -> list[Post | Deletion]:
    """Return the sample day, shifted by whole minutes to end at `now`."""
    offset = timedelta(minutes=int((now - END).total_seconds() // 60))
    return [_shifted(message, offset) for message in sample_day()]


def _shifted(message: Post | Deletion, offset: timedelta) -> Post | Deletion:
    times = {name: value + offset for name in _TIMES if (value := getattr(message, name, None)) is not None}
    return msgspec.structs.replace(message, **times)
