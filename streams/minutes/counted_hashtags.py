"""Which hashtags have minutes of their own; posts without any of these count as `other`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from streams.metrics import OTHER


class CountedHashtags:
    """The campaign's hashtags; without a campaign the first ones of the partition, at most `limit`.

    A hashtag that is chosen has parts from that minute on, so that what stands on `pulse.minutes` says which were chosen
    and since when: after a restart the same ones are, whatever was read meanwhile.
    """

    def __init__(self, names: Collection[str], limit: int, since: Mapping[str, int]) -> None:
        """`since`: the first minute of each hashtag that was chosen before."""
        self._names = frozenset(names)
        self._limit = limit
        self._since = dict(since)

    def choose(self, minute: int, hashtags: Counter[str]) -> None:
        """As a minute closes: gives what room there is to its most frequent hashtags."""
        if self._names:
            return
        free = self._limit - sum(since <= minute for since in self._since.values())
        candidates = [tag for tag in hashtags if self._since.get(tag, minute + 1) > minute]
        for tag in sorted(candidates, key=lambda tag: (-hashtags[tag], tag))[: max(0, free)]:
            self._since[tag] = minute

    def among(self, minute: int, hashtags: Sequence[str]) -> list[str]:
        """The hashtags under which a post of a minute counts; `other` when it has none of them."""
        if self._names:
            found = [tag for tag in dict.fromkeys(hashtags) if tag in self._names]
        else:
            found = [tag for tag in dict.fromkeys(hashtags) if self._since.get(tag, minute + 1) <= minute]
        return found or [OTHER]
