"""How many voices spoke in a minute: independent posts, of which a text that was said a while ago is none."""

from __future__ import annotations

from streams.spikes.counts import MinuteCounts

_STORM_MINUTES = 30


class DistinctPosts:
    """Of one hashtag, minute by minute.

    Within a minute the counts say how many posts are independent. Where a text is copied for half an hour, it would be one
    voice more in each: so it counts in the first minute of its storm alone.
    """

    def __init__(self) -> None:
        self._said: dict[str, int] = {}
        """The last minute of each text, oldest first."""

    def of(self, number: int, counts: MinuteCounts) -> tuple[int, int]:
        """Independent posts of a minute (its number since 1970), and the negative ones of them."""
        while self._said and number - next(iter(self._said.values())) > _STORM_MINUTES:
            del self._said[next(iter(self._said))]
        n, k = counts.voices
        for mark, negative in counts.said.items():
            if self._said.pop(mark, None) is not None:
                n, k = n - 1, k - negative
            self._said[mark] = number
        return n, k
