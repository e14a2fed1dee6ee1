"""Random minutes for tests, reproducible by seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from streams.spikes import Detector, MinuteCounts, SpikeEvent

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def minutes(
    posts: npt.ArrayLike,
    share: npt.ArrayLike,
    length: int,
    *,
    hashtag: str = "poltwt",
    seed: int = 1,
) -> list[MinuteCounts]:
    """Return Poisson-distributed posts, each negative with the probability `share` of its minute."""
    dice = np.random.default_rng(seed)
    n = dice.poisson(np.broadcast_to(posts, length))
    k = dice.binomial(n, np.broadcast_to(share, length))
    return [
        MinuteCounts(at(minute), hashtag, int(all_), int(negative), int(all_ - negative))
        for minute, (all_, negative) in enumerate(zip(n, k, strict=True))
        if all_
    ]


def events_of(counts: Sequence[MinuteCounts], detector: Detector, until: int | None = None) -> list[SpikeEvent]:
    by_minute: dict[datetime, list[MinuteCounts]] = {}
    for each in counts:
        by_minute.setdefault(each.minute, []).append(each)
    events = [event for minute in sorted(by_minute) for event in detector.feed(minute, by_minute[minute])]
    return events + ([] if until is None else detector.advance(at(until)))
