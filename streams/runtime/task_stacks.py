"""Stacks of the tasks of an event loop; the stacks of threads only show that the loop is waiting."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def task_stacks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Return a line per unfinished task, from its outermost call to where it waits; safe to call from other threads."""
    return sorted(" > ".join(_calls(task.get_coro())) for task in asyncio.all_tasks(loop))


def _calls(awaited: Any) -> Iterator[str]:
    while (frame := _attribute(awaited, "frame")) is not None:
        yield f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = _attribute(awaited, "await") or _attribute(awaited, "yieldfrom")
        if type(awaited).__name__.startswith("async_generator_"):
            # a step of an asynchronous generator refers to its generator, but has no attribute for it
            awaited = next(filter(inspect.isasyncgen, gc.get_referents(awaited)), None)


def _attribute(awaited: Any, name: str) -> Any:
    """Return an attribute of a coroutine, asynchronous generator or generator, whose names differ by a prefix."""
    return next(
        (getattr(awaited, each) for each in (f"cr_{name}", f"ag_{name}", f"gi_{name}") if hasattr(awaited, each)), None
    )
