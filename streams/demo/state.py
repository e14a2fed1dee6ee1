"""The state of a running demo."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.demo.tally import Tally
from streams.sample_day import END, START
from streams.up.stage import STORED, Up


@dataclass
class Play:
    """The current state of the demo, as passed to the views."""

    stage: Up
    started: float
    """When the demo started, on the monotonic clock."""
    tally: Tally = field(default_factory=lambda: Tally(START, END))
    messages: int = 1
    """Number of messages of the whole day, including the bad records; at least 1."""
    first_enriched: float | None = None
    """Seconds from the start to the first enriched post."""
    now: float = 0.0
    """Time of this state, on the monotonic clock."""

    @property
    def stored(self) -> int:
        """Number of rows stored durably according to the store worker."""
        return int(self.stage.part("store-parquet").total(STORED))

    @property
    def rate(self) -> float:
        """Posts enriched per second in the last few seconds."""
        return self.stage.part("enrich").rate

    @property
    def seconds(self) -> float:
        """Seconds since the demo started."""
        return self.now - self.started

    @property
    def progress(self) -> float:
        """Processed share of the day's messages, 0 to 1."""
        return min(1.0, (self.tally.enriched + self.tally.deletions + self.tally.dead) / self.messages)
