"""The scoring of the Numenta Anomaly Benchmark (NAB), standard profile.

A window counts once, by its earliest detection: 1 at its start, falling to 0 at its end along a scaled sigmoid; -1 if it is
missed. A detection outside a window costs up to 0.11, less shortly after a window. The first rows are the probationary period
and are not scored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import exp, floor

HIT, MISS, FALSE_ALARM = 1.0, 1.0, 0.11
PROBATION, PROBATION_ROWS = 0.15, 750

Window = tuple[str, str]


def probation_rows(rows: int) -> int:
    """Return the number of rows at the start that are not scored."""
    return min(floor(PROBATION * rows), PROBATION_ROWS)


def raw_score(times: Sequence[str], windows: Sequence[Window], detected: Collection[str]) -> tuple[float, int]:
    """Return the raw score of one series and the number of windows that count.

    Args:
        times: The time of each row.
        windows: The first and the last time of each window; both are times of rows.
        detected: The times of the detections.
    """
    row_of = {time: row for row, time in enumerate(times)}
    first = probation_rows(len(times))
    spans = sorted((row_of[start], row_of[end]) for start, end in windows)
    scored = [span for span in spans if span[1] >= first]
    rows = sorted(row_of[time] for time in detected if row_of[time] >= first)
    score = 0.0
    for start, end in scored:
        hits = [row for row in rows if start <= row <= end]
        score += HIT * _sigmoid(-(end - hits[0] + 1) / (end - start + 1)) / _sigmoid(-1) if hits else -MISS
    for row in rows:
        if any(start <= row <= end for start, end in spans):
            continue
        before = [span for span in spans if span[1] < row]
        past = (row - before[-1][1]) / (before[-1][1] - before[-1][0]) if before else 3.0
        score += FALSE_ALARM * _sigmoid(past)
    return score, len(scored)


def normalised(score: float, windows: int) -> float:
    """Return the normalised score: 0 for a detector that is always silent, 100 for a perfect one."""
    return 100 * (score + MISS * windows) / ((HIT + MISS) * windows)


def _sigmoid(position: float) -> float:
    """Return 1 at the start of a window (-1), 0 at its end (0), and -1 long after it."""
    return -1.0 if position >= 3 else 2 / (1 + exp(5 * position)) - 1
