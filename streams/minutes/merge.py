"""The parts of all partitions, as they stand on `pulse.minutes` → whole minutes, in order, each once."""

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
    """A minute that had posts: the parts of each hashtag, by partition."""

    minute: datetime
    parts: dict[str, list[PulseMinute]]


class Merger:
    """Waits for each partition before it gives a minute away.

    The part that was told as the minute closed counts: what corrects it would make what is seen depend on when one looks.
    So the same posts give the same minutes, however the parts of several partitions come mixed.
    """

    def __init__(self, partitions: Iterable[int]) -> None:
        """`partitions`: those of the topic of enriched posts."""
        self._watermarks: dict[int, datetime | None] = dict.fromkeys(partitions)
        self._passed: dict[int, datetime] = {}
        self._parts: defaultdict[datetime, dict[tuple[str, int], PulseMinute]] = defaultdict(dict)
        self._last: datetime | None = None
        """The last minute with posts."""
        self.until: datetime | None = None
        """All minutes before it were given away; None before the first."""

    def add(self, part: PulseMinute) -> list[CompleteMinute]:
        """The next part of the topic: the minutes with posts that are whole now."""
        closes = part.minute >= self._passed.get(part.partition, part.minute)
        if closes and part.moods.posts and (self.until is None or part.minute >= self.until):
            self._parts[part.minute].setdefault((part.hashtag, part.partition), part)
        self._watermarks[part.partition] = part.watermark
        if part.moods.posts or part.watermark < END_OF_INPUT:
            passed = self._passed.get(part.partition, part.minute)
            told = part.minute if part.watermark == END_OF_INPUT else _floor(part.watermark)
            self._passed[part.partition] = max(passed, told)
        if part.moods.posts:
            self._last = max(part.minute, self._last or part.minute)
        return self._whole()

    def _whole(self) -> list[CompleteMinute]:
        told = [watermark for watermark in self._watermarks.values() if watermark is not None]
        if len(told) < len(self._watermarks):
            return []
        until = _floor(min(told))
        if until == END_OF_INPUT:
            # nothing comes any more: the time of the input ends with the last that any partition told
            until = max([*self._passed.values(), self._last + _MINUTE if self._last else UNTOLD])
        if until <= (self.until or UNTOLD):
            return []
        self.until = until
        return [self._take(minute) for minute in sorted(self._parts) if minute < until]

    def _take(self, minute: datetime) -> CompleteMinute:
        parts: defaultdict[str, list[PulseMinute]] = defaultdict(list)
        for (hashtag, _), part in sorted(self._parts.pop(minute).items()):
            parts[hashtag].append(part)
        return CompleteMinute(minute, dict(parts))


def _floor(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
