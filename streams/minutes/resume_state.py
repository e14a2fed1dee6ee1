"""Resume state of a partition, rebuilt from `pulse.minutes`: final parts are never written again."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from streams.contracts.message import Time
from streams.metrics import OTHER
from streams.minutes.post import minute_of


class _Head(msgspec.Struct):
    """The fields of a `PulseMinute` that are needed here."""

    minute: Time
    hashtag: str
    partition: int
    watermark: Time
    final: bool = False

    @property
    def ends_batch(self) -> bool:
        return self.watermark > self.minute


_HEAD = msgspec.json.Decoder(_Head)


@dataclass
class ResumeState:
    """What the next worker of a partition must know about its published parts."""

    done_until: int = 0
    """Minutes before this one are final and completely written."""
    begun: set[str] = field(default_factory=set)
    """Hashtags of that minute whose final parts exist: a worker was killed before writing the others."""
    since: dict[str, int] = field(default_factory=dict)
    """First minute of each hashtag."""


class KnownParts:
    """Rebuilds the resume states from `pulse.minutes`, read from the start.

    Final parts are written in order of their minutes, the last one at the end of a batch of parts, and nothing is
    acknowledged before it is written. If it is missing, all posts of its minute are read again.
    """

    def __init__(self) -> None:
        self._known: dict[int, ResumeState] = {}

    def add(self, value: bytes | None) -> None:
        """Add the value of a record; anything but a part is ignored."""
        try:
            head = _HEAD.decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        known = self._known.setdefault(head.partition, ResumeState())
        minute = minute_of(head.minute.timestamp())
        if head.hashtag != OTHER:
            known.since[head.hashtag] = min(minute, known.since.get(head.hashtag, minute))
        if not head.final or minute < known.done_until:
            return
        if head.ends_batch:
            known.done_until, known.begun = minute + 1, set()
        elif minute == known.done_until:
            known.begun.add(head.hashtag)
        else:
            known.done_until, known.begun = minute, {head.hashtag}

    def of(self, partition: int) -> ResumeState:
        return self._known.get(partition, ResumeState())
