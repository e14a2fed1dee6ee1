"""Reading recordings in a test."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from streams.sources.base import Content, Unreadable
from streams.sources.files.recorded import RecordedSource


class Echo:
    """A parser that records its arguments."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, str, datetime]] = []

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        self.frames.append((frame, origin, now))
        return [Unreadable(origin, 0, frame, "invalid", "")]


async def play(*paths: Path, network: str = "x") -> list[tuple[bytes, str, datetime]]:
    """Return the frames of recordings of a network, with their origins and times."""
    echo = Echo()
    async for _ in RecordedSource([str(path) for path in paths], network, echo).batches():
        pass
    return echo.frames
