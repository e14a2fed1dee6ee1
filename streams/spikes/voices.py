"""How many voices spoke in a minute: posts, of which copies of one text count little."""

from __future__ import annotations

from streams.spikes.counts import MinuteCounts

_STORM_MINUTES = 30


class Voices:
    """Of one hashtag, minute by minute.

    Within a minute the counts say how many posts are independent. From minute to minute they cannot: where a text is copied for
    half an hour, it would be one voice more in each. So the one that is copied counts only in the first minute of a storm.
    """

    def __init__(self) -> None:
        self._last: dict[bool, int] = {}

    def of(self, number: int, counts: MinuteCounts) -> tuple[int, int]:
        """Independent posts of a minute (its number since 1970), and the negative ones of them."""
        n, k = counts.voices
        copies, negative_copies = counts.posts - n, counts.negative - k
        if copies <= 0 or n == 0:
            return n, k
        negative = 2 * negative_copies > copies
        told = number - self._last.get(negative, -_STORM_MINUTES - 1) <= _STORM_MINUTES
        self._last[negative] = number
        if not told:
            return n, k
        return (n - 1, max(0, k - 1)) if negative else (n - 1, min(k, n - 1))
