"""What the detector says: a spike opens, grows, closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streams.contracts import Explanation, Spike, SpikeKind, SpikeState


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeEvent:
    """A spike as it stood at one minute's end. All times are event times in UTC."""

    kind: SpikeKind
    hashtag: str
    state: SpikeState
    opened_at: datetime
    """The begin of its first minute."""
    known_at: datetime
    """The end of the minute that raised it; the same in all its turns."""
    at: datetime
    """The end of the minute that made this turn."""
    closed_at: datetime | None = None
    """The end of its last minute, which is found some minutes after it. Only in the turn that closes it."""
    posts: int = 0
    """Since it opened, every post counted."""
    negative: int = 0
    share: float | None = None
    """Of negative posts among the independent ones since it opened, with its interval of 95 %; None without posts."""
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    """The share that was usual when it opened; None when nobody knows."""
    rate: float | None = None
    """Posts a minute since it opened."""
    usual_rate: float | None = None
    """Posts a minute that were usual when it opened."""

    @property
    def id(self) -> str:
        """The same in every turn of the spike, and whenever the same minutes are read again."""
        return f"{self.kind}:{self.hashtag}:{self.opened_at:%Y-%m-%dT%H:%M:%SZ}"

    def as_message(self, sensitivity: str, explanation: Explanation | None = None) -> Spike:
        """The message of `alerts.spikes`."""
        return Spike(
            id=self.id,
            kind=self.kind,
            hashtag=self.hashtag,
            state=self.state,
            sensitivity=sensitivity,
            opened_at=self.opened_at,
            known_at=self.known_at,
            at=self.at,
            closed_at=self.closed_at,
            posts=self.posts,
            negative=self.negative,
            share=self.share,
            low=self.low,
            high=self.high,
            baseline=self.baseline,
            rate=self.rate,
            usual_rate=self.usual_rate,
            explanation=explanation or Explanation(),
        )
