"""Merges the parts of all partitions on `pulse.minutes` into complete minutes, in order and each exactly once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.contracts import END_OF_INPUT, PulseMinute
from streams.minutes.part import UNTOLD

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class CompleteMinute:
    """A minute with posts: for each hashtag, its parts in order of partition."""

    minute: datetime
    parts: dict[str, list[PulseMinute]]


class Merger:
    """Waits for all partitions before it releases a minute.

    Only the part published when the minute closed counts: with corrections, the result would depend on when it is read.
    The same posts therefore give the same minutes, however the parts of the partitions are interleaved.
    """

    def __init__(self, partitions: Iterable[int]) -> None:
        """Create a merger for the partitions of the enriched posts' topic."""
        self._watermarks: dict[int, datetime | None] = dict.fromkeys(partitions)
        self._passed: dict[int, datetime] = {}
        self._parts: defaultdict[datetime, dict[tuple[str, int], PulseMinute]] = defaultdict(dict)
        self._last: datetime | None = None
        """The latest minute with posts."""
        self.until: datetime | None = None
        """Time before which all minutes have been released; None before the first release."""

    def add(self, part: PulseMinute) -> list[CompleteMinute]:
        """Add the next part of the topic and return the minutes with posts that are now complete."""
        closes = part.minute >= self._passed.get(part.partition, part.minute)
        if closes and part.sentiments.posts and (self.until is None or part.minute >= self.until):
            self._parts[part.minute].setdefault((part.hashtag, part.partition), part)
        self._watermarks[part.partition] = part.watermark
        if part.sentiments.posts or part.watermark < END_OF_INPUT:
            passed = self._passed.get(part.partition, part.minute)
            reached = part.minute if part.watermark == END_OF_INPUT else _floor(part.watermark)
            self._passed[part.partition] = max(passed, reached)
        if part.sentiments.posts:
            self._last = max(part.minute, self._last or part.minute)
        return self._release()

    def _release(self) -> list[CompleteMinute]:
        watermarks = [watermark for watermark in self._watermarks.values() if watermark is not None]
        if len(watermarks) < len(self._watermarks):
            return []
        until = _floor(min(watermarks))
        if until == END_OF_INPUT:
            # the input has ended: its last minute is the latest that any partition reported
            until = max([*self._passed.values(), self._last + _MINUTE if self._last else UNTOLD])
        if until <= (self.until or UNTOLD):
            return []
        self.until = until
        return [self._pop(minute) for minute in sorted(self._parts) if minute < until]

    def _pop(self, minute: datetime) -> CompleteMinute:
        parts: defaultdict[str, list[PulseMinute]] = defaultdict(list)
        for (hashtag, _), part in sorted(self._parts.pop(minute).items()):
            parts[hashtag].append(part)
        return CompleteMinute(minute, dict(parts))


def _floor(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
