"""Format of a recording: JSON lines in Zstandard, with a head followed by one frame per line."""

from __future__ import annotations

from datetime import datetime

import msgspec

VERSION = 1


class RecordingHead(msgspec.Struct, omit_defaults=True):
    """The first line of a recording."""

    tagpulse_recording: int
    network: str
    hashtags: tuple[str, ...] = ()


class RecordedFrame(msgspec.Struct, omit_defaults=True):
    """Any other line of a recording."""

    at: datetime
    origin: str
    frame: str | None = None
    base64: str | None = None
    """The frame in base64, if its bytes are not UTF-8."""
