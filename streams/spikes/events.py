"""Events of the detector: a spike opens, grows or closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streams.contracts import Explanation, Spike, SpikeKind, SpikeState


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeEvent:
    """The state of a spike at the end of a minute. All times are event times in UTC."""

    kind: SpikeKind
    hashtag: str
    state: SpikeState
    opened_at: datetime
    """Start of the spike's first minute."""
    known_at: datetime
    """End of the minute in which the spike was detected; the same in all its events."""
    at: datetime
    """End of the minute that caused this event."""
    closed_at: datetime | None = None
    """End of the spike's last minute, recognised some minutes later. Only set in the event that closes it."""
    posts: int = 0
    """Number of posts since it opened, including copies."""
    negative: int = 0
    share: float | None = None
    """Share of negative posts among the independent posts since it opened; None without posts. `low` and `high` are its
    95 % confidence interval."""
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    """Usual share when it opened; None if unknown."""
    rate: float | None = None
    """Posts per minute since it opened."""
    usual_rate: float | None = None
    """Usual posts per minute when it opened."""

    @property
    def id(self) -> str:
        """The same in all events of the spike, and whenever the same minutes are read again."""
        return f"{self.kind}:{self.hashtag}:{self.opened_at:%Y-%m-%dT%H:%M:%SZ}"

    def as_message(self, sensitivity: str, explanation: Explanation | None = None) -> Spike:
        """Return the message for `alerts.spikes`."""
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
