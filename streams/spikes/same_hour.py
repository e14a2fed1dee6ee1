"""Counts at the same time of day on earlier days."""

from __future__ import annotations

DAY_MINUTES = 1_440
_SLOT_MINUTES = 15
_SLOTS = DAY_MINUTES // _SLOT_MINUTES
_NEAR_SLOTS = 4
"""Neighbouring slots on either side that count as the same hour."""
_DAILY_DECAY = 0.75


class SameHour:
    """Posts and negative posts by time of day (UTC); recent days have the greatest weight."""

    def __init__(self, first: int) -> None:
        """Create empty counts; `first` is the first minute that will be added. Minutes are numbered since 1970."""
        self._first_day = first // DAY_MINUTES
        self._slots = [(0.0, 0.0)] * _SLOTS
        self._days = [-1] * _SLOTS
        self._cached = (-1, 0.0, 0.0)

    def add(self, number: int, posts: float, negative: float) -> None:
        """Add a minute."""
        day, slot = divmod(number // _SLOT_MINUTES, _SLOTS)
        n, k = self._slots[slot]
        if self._days[slot] != day:
            fade = _DAILY_DECAY ** (day - self._days[slot])
            n, k = n * fade, k * fade
            self._days[slot] = day
        self._slots[slot] = n + posts, k + negative

    def around(self, number: int) -> tuple[float, float]:
        """Return the posts around this time on earlier days, and how many were negative."""
        at = number // _SLOT_MINUTES
        if self._cached[0] != at:
            n = k = 0.0
            for step in range(-_NEAR_SLOTS, _NEAR_SLOTS + 1):
                day, slot = divmod(at + step, _SLOTS)
                if self._days[slot] < day:
                    n += self._slots[slot][0]
                    k += self._slots[slot][1]
            self._cached = at, n, k
        return self._cached[1:]

    def rate(self, number: int) -> float | None:
        """Return the posts per minute at this time on earlier days; None if there were none."""
        day, slot = divmod(number // _SLOT_MINUTES, _SLOTS)
        days = day - self._first_day
        if days < 1 or self._days[slot] >= day:
            return None
        weight = _DAILY_DECAY * (1 - _DAILY_DECAY**days) / (1 - _DAILY_DECAY)
        return self._slots[slot][0] * _DAILY_DECAY ** (day - self._days[slot]) / weight / _SLOT_MINUTES
