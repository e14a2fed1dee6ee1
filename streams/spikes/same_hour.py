"""The same hour of earlier days."""

from __future__ import annotations

DAY_MINUTES = 1_440
_SLOT_MINUTES = 15
_SLOTS = DAY_MINUTES // _SLOT_MINUTES
_NEAR_SLOTS = 4
"""Slots on either side that tell of the same hour."""
_FORGETTING = 0.75
"""A day."""


class SameHour:
    """Posts and negative posts by the time of day, the newest days weighing most. The day is that of UTC."""

    def __init__(self, first: int) -> None:
        """`first` is the first minute that will be told; minutes are numbers since 1970."""
        self._first_day = first // DAY_MINUTES
        self._slots = [(0.0, 0.0)] * _SLOTS
        self._days = [-1] * _SLOTS
        self._cached = (-1, 0.0, 0.0)

    def add(self, number: int, posts: float, negative: float) -> None:
        """A minute."""
        day, slot = divmod(number // _SLOT_MINUTES, _SLOTS)
        n, k = self._slots[slot]
        if self._days[slot] != day:
            fade = _FORGETTING ** (day - self._days[slot])
            n, k = n * fade, k * fade
            self._days[slot] = day
        self._slots[slot] = n + posts, k + negative

    def around(self, number: int) -> tuple[float, float]:
        """Posts about this time of earlier days, and the negative ones."""
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
        """Posts a minute at this time of earlier days; None when there were none."""
        day, slot = divmod(number // _SLOT_MINUTES, _SLOTS)
        days = day - self._first_day
        if days < 1 or self._days[slot] >= day:
            return None
        weight = _FORGETTING * (1 - _FORGETTING**days) / (1 - _FORGETTING)
        return self._slots[slot][0] * _FORGETTING ** (day - self._days[slot]) / weight / _SLOT_MINUTES
