"""The state of a demo that is running."""

from __future__ import annotations

from dataclasses import dataclass

from streams.demo.stage import Stage
from streams.demo.tally import Tally


@dataclass
class Play:
    """The demo at a moment, for whoever shows it."""

    stage: Stage
    tally: Tally
    messages: int
    """Messages of the whole day, the bad records among them."""
    speed: float | None
    started: float
    """On the monotonic clock."""
    first_enriched: float | None = None
    """Seconds from the start to the first enriched post."""
    stored: int = 0
    rate: float = 0.0
    """Enriched posts a second, now."""
    now: float = 0.0

    @property
    def seconds(self) -> float:
        return self.now - self.started

    @property
    def progress(self) -> float:
        """How much of the day is enriched, 0 to 1."""
        return min(1.0, (self.tally.enriched + self.tally.deletions + self.tally.dead) / self.messages)
