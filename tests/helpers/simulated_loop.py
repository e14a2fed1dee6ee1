"""Simulated time: it jumps to the next event that is due, and any step of any task may be late by chance."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVarTuple

_Ts = TypeVarTuple("_Ts")

# each turn of the loop takes time; otherwise a wait shorter than the resolution of the clock would never end
_TURN_SECONDS = 1e-6


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """The delays: up to `step` seconds for a step of a task, with probability `chance`; up to `request` for each request."""

    chance: float
    step: float
    request: float


class _Numbered:
    """Hashed by its number instead of its address, so that a set of them has the same order in every process."""

    _number: int

    def __hash__(self) -> int:
        return self._number


class _Future(_Numbered, asyncio.Future[Any]):
    def __init__(self, *, loop: SimulatedLoop) -> None:
        self._number = next(loop.numbers)
        super().__init__(loop=loop)


class _Task(_Numbered, asyncio.Task[Any]):
    def __init__(self, coroutine: Any, *, loop: SimulatedLoop, **options: Any) -> None:
        self._number = next(loop.numbers)
        super().__init__(coroutine, loop=loop, **options)


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop whose time jumps, and whose steps are late by chance."""

    def __init__(self, lateness: Lateness, dice: random.Random) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self._now = 0.0
        self._punctual = False
        self._lateness = lateness
        self._dice = dice
        self._selector = SimpleNamespace(select=self._jump, close=lambda: None)

    def new_task(self, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """Return a task whose first step is not late.

        aiokafka relies on the first step coming before all later events: if its heartbeat task is cancelled before
        that step, the coordination ends.
        """
        self._punctual = True
        try:
            return _Task(coroutine, loop=self, **options)
        finally:
            self._punctual = False

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(loop=self)

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if not self._punctual and self._dice.random() < self._lateness.chance:
            return self.call_later(self._dice.uniform(0, self._lateness.step), callback, *args, context=context)
        return super().call_soon(callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def _jump(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing is due"
        self._now += max(timeout, _TURN_SECONDS)
        return []

    def _process_events(self, events: list[Any]) -> None:
        """Do nothing: no file descriptor has events here."""
