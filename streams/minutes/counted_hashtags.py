"""Chooses the hashtags that are counted separately; posts with none of them count as `other`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from streams.metrics import OTHER


class CountedHashtags:
    """The campaign's hashtags; without a campaign, the first hashtags of the partition, at most `limit`.

    A chosen hashtag has parts from that minute on, so `pulse.minutes` shows which hashtags were chosen and since when.
    After a restart the same hashtags are used, whatever was read in between.
    """

    def __init__(self, names: Collection[str], limit: int, since: Mapping[str, int]) -> None:
        """Create the set of counted hashtags of a partition.

        Args:
            names: The campaign's hashtags; empty without a campaign.
            limit: Maximum number of hashtags without a campaign.
            since: First minute of each hashtag chosen before.
        """
        self._names = frozenset(names)
        self._limit = limit
        self._since = dict(since)

    def choose(self, minute: int, hashtags: Counter[str]) -> None:
        """Fill free places with the most frequent hashtags of a minute that is closing."""
        if self._names:
            return
        free = self._limit - sum(since <= minute for since in self._since.values())
        candidates = [tag for tag in hashtags if self._since.get(tag, minute + 1) > minute]
        for tag in sorted(candidates, key=lambda tag: (-hashtags[tag], tag))[: max(0, free)]:
            self._since[tag] = minute

    def among(self, minute: int, hashtags: Sequence[str]) -> list[str]:
        """Return the hashtags under which a post of this minute counts; `other` if it has none of them."""
        if self._names:
            found = [tag for tag in dict.fromkeys(hashtags) if tag in self._names]
        else:
            found = [tag for tag in dict.fromkeys(hashtags) if self._since.get(tag, minute + 1) <= minute]
        return found or [OTHER]
