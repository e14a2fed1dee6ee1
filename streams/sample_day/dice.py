"""Random draws that are the same on every version of Python."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A seeded random generator.

    It uses only `random.Random.random`, the only method whose sequence Python guarantees not to change.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from `low` to `high`, both inclusive."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order."""
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = self.integer(0, last)
            deck[last], deck[other] = deck[other], deck[last]
        return deck

    def waiting(self, mean: float) -> float:
        """Draw an exponentially distributed waiting time, in the unit of its mean."""
        return -mean * math.log(1.0 - self._random())

    def heavy(self, scale: float) -> float:
        """Draw from a heavy-tailed distribution, like that of attention among posts.

        Most values are near `scale`; a few are much larger, up to 30 times as large.
        """
        return scale * min(math.pow(1.0 - self._random(), -0.6), 30.0)

    def below(self, limit: float) -> float:
        """Draw a number from 0 (inclusive) to `limit` (exclusive)."""
        return self._random() * limit
