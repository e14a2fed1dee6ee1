"""The format of a recording: JSON lines in Zstandard, a head and then a frame a line."""

from __future__ import annotations

from datetime import datetime

import msgspec

VERSION = 1


class RecordingHead(msgspec.Struct, omit_defaults=True):
    """The first line."""

    tagpulse_recording: int
    network: str
    hashtags: tuple[str, ...] = ()


class RecordedFrame(msgspec.Struct, omit_defaults=True):
    """Every other line."""

    at: datetime
    origin: str
    frame: str | None = None
    base64: str | None = None
    """Where the bytes are no UTF-8."""
