"""The state of a running demo."""

from __future__ import annotations

from dataclasses import dataclass

from streams.demo.stage import Stage
from streams.demo.tally import Tally


@dataclass
class Play:
    """The current state of the demo, as passed to the views."""

    stage: Stage
    tally: Tally
    messages: int
    """Number of messages of the whole day, including the bad records."""
    speed: float | None
    """Speed relative to real time; None means no pacing."""
    started: float
    """When the demo started, on the monotonic clock."""
    first_enriched: float | None = None
    """Seconds from the start to the first enriched post."""
    stored: int = 0
    rate: float = 0.0
    """Posts enriched per second at present."""
    now: float = 0.0
    """Time of this state, on the monotonic clock."""

    @property
    def seconds(self) -> float:
        """Seconds since the demo started."""
        return self.now - self.started

    @property
    def progress(self) -> float:
        """Processed share of the day's messages, 0 to 1."""
        return min(1.0, (self.tally.enriched + self.tally.deletions + self.tally.dead) / self.messages)
