"""Chance that falls the same way on every version of Python."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws from a seed. Builds on `random.Random.random` alone: the only draw whose sequence Python promises to keep."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = self.integer(0, last)
            deck[last], deck[other] = deck[other], deck[last]
        return deck

    def waiting(self, mean: float) -> float:
        """An exponential waiting time, in the unit of its mean."""
        return -mean * math.log(1.0 - self._random())

    def heavy(self, scale: float) -> float:
        """Mostly around `scale`, now and then many times as much: how attention is spread among posts."""
        return scale * min(math.pow(1.0 - self._random(), -0.6), 30.0)

    def below(self, limit: float) -> float:
        """A number from 0 up to `limit`."""
        return self._random() * limit
