"""Watches one hashtag for all kinds of spikes; inactive while no spike is possible, as for most hashtags."""

from __future__ import annotations

from streams.minutes.post import time_of
from streams.spikes.counts import MinuteCounts
from streams.spikes.distinct_posts import DistinctPosts
from streams.spikes.events import SpikeEvent
from streams.spikes.negative import NegativeWatch
from streams.spikes.running_sums import KEPT_MINUTES, RunningSums
from streams.spikes.same_hour import DAY_MINUTES
from streams.spikes.sensitivity import Sensitivity
from streams.spikes.silence import SilenceWatch
from streams.spikes.volume import VolumeWatch

_FORGOTTEN_MINUTES = 14 * DAY_MINUTES
"""A hashtag that returns after this long starts from scratch."""


class HashtagWatch:
    """Watches one hashtag. Minutes are numbered since 1970."""

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        self._sensitivity = sensitivity
        self._min_posts = min(sensitivity.min_posts, sensitivity.min_surge_posts)
        self._reset(first)

    def _reset(self, first: int) -> None:
        self._recent = RunningSums()
        self._distinct_posts = DistinctPosts()
        self._kinds = [
            kind(self._hashtag, first, self._sensitivity) for kind in (NegativeWatch, SilenceWatch, VolumeWatch)
        ]
        self._next = first
        self._posts = 0
        self._last = first
        self._pending: dict[int, MinuteCounts] = {}
        self.is_awake = False

    def step(self, number: int, counts: MinuteCounts) -> list[SpikeEvent]:
        """Process a minute; while `is_awake` is false, only minutes with posts need to be passed."""
        if counts.posts:
            if number - self._last > _FORGOTTEN_MINUTES:
                self._reset(number)
            self._posts += counts.posts
            self._last = number
        if not self.is_awake:
            self._pending[number] = counts
            if self._posts < self._min_posts:
                return []
            # The skipped minutes could not open a spike, but they count towards the baseline.
            events = [event for missed in range(self._next, number + 1) for event in self._process_pending(missed)]
            self._pending.clear()
            self.is_awake = True
            return events
        events = self._process(number, counts)
        self.is_awake = number - self._last < KEPT_MINUTES or any(kind.is_open for kind in self._kinds)
        return events

    def _process_pending(self, number: int) -> list[SpikeEvent]:
        return self._process(number, self._pending.get(number) or MinuteCounts(time_of(number), self._hashtag))

    def _process(self, number: int, counts: MinuteCounts) -> list[SpikeEvent]:
        self._next = number + 1
        self._recent.add(counts, *self._distinct_posts.of(number, counts))
        return [event for kind in self._kinds for event in kind.step(number, counts, self._recent)]
