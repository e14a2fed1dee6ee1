"""An open spike: its posts since it opened, and its events."""

from __future__ import annotations

from dataclasses import dataclass

from streams.contracts import SpikeKind, SpikeState
from streams.minutes.post import time_of
from streams.spikes.events import SpikeEvent
from streams.spikes.running_sums import Sums
from streams.wilson import wilson


@dataclass(slots=True)
class Episode:
    """An open spike. Minutes are numbered since 1970."""

    kind: SpikeKind
    hashtag: str
    opened: int
    known: int
    """The minute at whose end the spike was detected."""
    start: Sums
    """Running sums before it opened."""
    baseline: float | None = None
    usual_rate: float | None = None
    last_event_posts: int = 0

    def turn(self, state: SpikeState, number: int, total: Sums, closed: int | None = None) -> SpikeEvent:
        """Return the state of the spike at the end of a minute; `closed` is the last minute of a closed spike."""
        since = total.minus(self.start)
        self.last_event_posts = since.posts
        n, k = since.independent_posts, since.independent_negative
        low, high = wilson(k, n) if n else (None, None)
        last = number if closed is None else closed
        return SpikeEvent(
            kind=self.kind,
            hashtag=self.hashtag,
            state=state,
            opened_at=time_of(self.opened),
            known_at=time_of(self.known + 1),
            at=time_of(number + 1),
            closed_at=None if closed is None else time_of(closed + 1),
            posts=since.posts,
            negative=since.negative,
            share=k / n if n else None,
            low=low,
            high=high,
            baseline=self.baseline,
            rate=since.posts / max(1, last + 1 - self.opened),
            usual_rate=self.usual_rate,
        )

    def has_grown(self, total: Sums) -> bool:
        """Return whether the spike has at least twice the posts of its last event."""
        return total.posts - self.start.posts >= 2 * max(1, self.last_event_posts)
