"""The detector turns minutes into spike events, by event time only: the same minutes always give the same events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from streams.contracts import DEFAULT_SENSITIVITY, FIRST_MINUTE, SensitivityName
from streams.minutes.post import time_of
from streams.spikes.counts import MinuteCounts
from streams.spikes.events import SpikeEvent
from streams.spikes.hashtag import HashtagWatch
from streams.spikes.sensitivity import SENSITIVITIES, Sensitivity

_MINUTE = timedelta(minutes=1)


class Detector:
    """Watches any number of hashtags, each independently of the others.

    Its state depends only on the minutes it was fed: after a restart, feeding the same minutes restores it.

    >>> from datetime import UTC, datetime
    >>> minute = datetime(2026, 11, 1, 9, 31, tzinfo=UTC)
    >>> Detector("middle").feed(minute, [MinuteCounts(minute, "poltwt", posts=41, negative=9, neutral=20, positive=12)])
    []
    """

    def __init__(self, sensitivity: SensitivityName | Sensitivity = DEFAULT_SENSITIVITY) -> None:
        self.sensitivity = sensitivity if isinstance(sensitivity, Sensitivity) else SENSITIVITIES[sensitivity]
        self._watches: dict[str, HashtagWatch] = {}
        self._awake: set[str] = set()
        self._next: int | None = None

    @property
    def fed_until(self) -> datetime | None:
        """End of the last minute fed; None before the first."""
        return None if self._next is None else time_of(self._next)

    def feed(self, minute: datetime, counts: Iterable[MinuteCounts] = ()) -> list[SpikeEvent]:
        """Process one complete minute, with the counts of every hashtag that had posts in it, in any order.

        Minutes between the last one fed and this one are taken to have had no posts.

        Returns:
            The spike events in order of time, then of hashtag and kind.

        Raises:
            ValueError: The minute was already fed or is not the start of a minute, or the counts are of another minute.
        """
        number = _number(minute)
        if self._next is not None and number < self._next:
            raise ValueError(f"the minute {minute:%Y-%m-%dT%H:%MZ} was already fed")
        fed = {each.hashtag: each for each in counts}
        for each in fed.values():
            if each.minute != minute:
                raise ValueError(
                    f"counts of {each.minute:%Y-%m-%dT%H:%MZ} were fed with the minute {minute:%Y-%m-%dT%H:%MZ}"
                )
        events = self.advance(minute)
        for hashtag in fed:
            if hashtag not in self._watches:
                self._watches[hashtag] = HashtagWatch(hashtag, number, self.sensitivity)
        return events + self._step(number, fed)

    def advance(self, until: datetime) -> list[SpikeEvent]:
        """Complete every minute before `until`: minutes that were not fed are taken to have had no posts."""
        events: list[SpikeEvent] = []
        end = _number(until)
        while self._next is not None and self._next < end:
            if not self._awake:
                self._next = end
                break
            events += self._step(self._next, {})
        return events

    def _step(self, number: int, fed: dict[str, MinuteCounts]) -> list[SpikeEvent]:
        self._next = number + 1
        none = MinuteCounts(time_of(number), "")
        events: list[SpikeEvent] = []
        for hashtag in sorted(self._awake | fed.keys()):
            watch = self._watches[hashtag]
            events += watch.step(number, fed.get(hashtag, none))
            if watch.is_awake:
                self._awake.add(hashtag)
            else:
                self._awake.discard(hashtag)
        return events


def _number(minute: datetime) -> int:
    number, rest = divmod(minute - FIRST_MINUTE, _MINUTE)
    if rest:
        raise ValueError(f"{minute} is not the start of a minute")
    return number
