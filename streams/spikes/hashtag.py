"""All kinds of spikes of one hashtag. It sleeps while nothing can be raised: most hashtags have a handful of posts."""

from __future__ import annotations

from streams.spikes.counts import MinuteCounts
from streams.spikes.distinct_posts import DistinctPosts
from streams.spikes.episode import time_of
from streams.spikes.events import SpikeEvent
from streams.spikes.negative import NegativeWatch
from streams.spikes.running_sums import KEPT_MINUTES, RunningSums
from streams.spikes.same_hour import DAY_MINUTES
from streams.spikes.sensitivity import Sensitivity
from streams.spikes.silence import SilenceWatch
from streams.spikes.volume import VolumeWatch

_FORGOTTEN_MINUTES = 14 * DAY_MINUTES
"""A hashtag that comes back after so long begins anew."""


class HashtagWatch:
    """Minutes are numbers since 1970."""

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        self._sensitivity = sensitivity
        self._least_posts = min(sensitivity.min_posts, sensitivity.min_surge_posts)
        self._begin(first)

    def _begin(self, first: int) -> None:
        self._recent = RunningSums()
        self._voices = DistinctPosts()
        self._kinds = [
            kind(self._hashtag, first, self._sensitivity) for kind in (NegativeWatch, SilenceWatch, VolumeWatch)
        ]
        self._next = first
        self._posts = 0
        self._last = first
        self._waiting: dict[int, MinuteCounts] = {}
        self.is_awake = False

    def step(self, number: int, counts: MinuteCounts) -> list[SpikeEvent]:
        """A minute; while it sleeps, only those with posts."""
        if counts.posts:
            if number - self._last > _FORGOTTEN_MINUTES:
                self._begin(number)
            self._posts += counts.posts
            self._last = number
        if not self.is_awake:
            self._waiting[number] = counts
            if self._posts < self._least_posts:
                return []
            # What it slept through raised nothing, but it counts for what is usual.
            turns = [turn for missed in range(self._next, number + 1) for turn in self._look(missed)]
            self._waiting.clear()
            self.is_awake = True
            return turns
        turns = self._take(number, counts)
        self.is_awake = number - self._last < KEPT_MINUTES or any(kind.is_open for kind in self._kinds)
        return turns

    def _look(self, number: int) -> list[SpikeEvent]:
        return self._take(number, self._waiting.get(number) or MinuteCounts(time_of(number), self._hashtag))

    def _take(self, number: int, counts: MinuteCounts) -> list[SpikeEvent]:
        self._next = number + 1
        self._recent.add(counts, *self._voices.of(number, counts))
        return [turn for kind in self._kinds for turn in kind.step(number, counts, self._recent)]
