"""The detector: minutes in, turns out. Event time alone counts, so that the same minutes always give the same turns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from streams.spikes.counts import MinuteCounts
from streams.spikes.episode import EPOCH, MINUTE, time_of
from streams.spikes.events import SpikeEvent
from streams.spikes.hashtag import HashtagWatch
from streams.spikes.sensitivity import SENSITIVITIES, Sensitivity, SensitivityName


class Detector:
    """Watches any number of hashtags, each by itself.

    Its state is made of the minutes it was fed and nothing else: after a restart the same minutes bring it back.

    >>> from datetime import UTC, datetime
    >>> minute = datetime(2026, 11, 1, 9, 31, tzinfo=UTC)
    >>> Detector("middle").feed(minute, [MinuteCounts(minute, "poltwt", posts=41, negative=9, neutral=20, positive=12)])
    []
    """

    def __init__(self, sensitivity: SensitivityName | Sensitivity = "middle") -> None:
        self.sensitivity = sensitivity if isinstance(sensitivity, Sensitivity) else SENSITIVITIES[sensitivity]
        self._watches: dict[str, HashtagWatch] = {}
        self._awake: set[str] = set()
        self._next: int | None = None

    @property
    def fed_until(self) -> datetime | None:
        """The end of the last minute that was fed; None before the first."""
        return None if self._next is None else time_of(self._next)

    def feed(self, minute: datetime, counts: Iterable[MinuteCounts] = ()) -> list[SpikeEvent]:
        """One minute that is complete, with the counts of every hashtag that had posts in it, in any order.

        Minutes between the last one fed and this one had no posts. The turns come in order of time, then of hashtag and kind.
        Raises ValueError for a minute that was fed before or is none, and for counts of another minute.
        """
        number = _number(minute)
        if self._next is not None and number < self._next:
            raise ValueError(f"the minute {minute:%Y-%m-%dT%H:%MZ} was fed before")
        fed = {each.hashtag: each for each in counts}
        for each in fed.values():
            if each.minute != minute:
                raise ValueError(
                    f"counts of {each.minute:%Y-%m-%dT%H:%MZ} came with the minute {minute:%Y-%m-%dT%H:%MZ}"
                )
        turns = self.advance(minute)
        for hashtag in fed:
            if hashtag not in self._watches:
                self._watches[hashtag] = HashtagWatch(hashtag, number, self.sensitivity)
        return turns + self._step(number, fed)

    def advance(self, until: datetime) -> list[SpikeEvent]:
        """Every minute before `until` is complete: those that were not fed had no posts."""
        turns: list[SpikeEvent] = []
        end = _number(until)
        while self._next is not None and self._next < end:
            if not self._awake:
                self._next = end
                break
            turns += self._step(self._next, {})
        return turns

    def _step(self, number: int, fed: dict[str, MinuteCounts]) -> list[SpikeEvent]:
        self._next = number + 1
        none = MinuteCounts(time_of(number), "")
        turns: list[SpikeEvent] = []
        for hashtag in sorted(self._awake | fed.keys()):
            watch = self._watches[hashtag]
            turns += watch.step(number, fed.get(hashtag, none))
            if watch.is_awake:
                self._awake.add(hashtag)
            else:
                self._awake.discard(hashtag)
        return turns


def _number(minute: datetime) -> int:
    number, rest = divmod(minute - EPOCH, MINUTE)
    if rest:
        raise ValueError(f"{minute} is not the begin of a minute")
    return number
