"""What stands on `pulse.minutes` already of a partition: what is final there is never written again."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from streams.contracts.message import Time
from streams.metrics import OTHER
from streams.minutes.post import minute_of


class _Head(msgspec.Struct):
    """As much of a `PulseMinute` as has to be known."""

    minute: Time
    hashtag: str
    partition: int
    watermark: Time
    final: bool = False

    @property
    def ends_a_turn(self) -> bool:
        return self.watermark > self.minute


_HEAD = msgspec.json.Decoder(_Head)


@dataclass
class ResumeState:
    """The parts of one partition, as far as its next worker must know them."""

    done_until: int = 0
    """Minutes before it are final, with all that has to be written of them."""
    begun: set[str] = field(default_factory=set)
    """The hashtags of that minute which have their final parts: a worker was killed before it had written the others."""
    since: dict[str, int] = field(default_factory=dict)
    """The first minute of each hashtag."""


class KnownParts:
    """Reads `pulse.minutes` from its start on.

    Final parts are written in the order of their minutes, the last of them at the end of a turn, and nothing is
    acknowledged before that one is written. Where it is missing, all posts of its minute are read again.
    """

    def __init__(self) -> None:
        self._known: dict[int, ResumeState] = {}

    def add(self, value: bytes | None) -> None:
        """Takes a record's value; what is no part is passed over."""
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
        if head.ends_a_turn:
            known.done_until, known.begun = minute + 1, set()
        elif minute == known.done_until:
            known.begun.add(head.hashtag)
        else:
            known.done_until, known.begun = minute, {head.hashtag}

    def of(self, partition: int) -> ResumeState:
        return self._known.get(partition, ResumeState())
