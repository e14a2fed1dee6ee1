"""What the tasks of an event loop wait for: the stacks of threads show only that the loop waits."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def task_stacks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """A line for each unfinished task, from its outermost call to where it waits; may be asked from another thread."""
    return sorted(" > ".join(_calls(task.get_coro())) for task in asyncio.all_tasks(loop))


def _calls(awaited: Any) -> Iterator[str]:
    while (frame := _of(awaited, "frame")) is not None:
        yield f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = _of(awaited, "await") or _of(awaited, "yieldfrom")
        if type(awaited).__name__.startswith("async_generator_"):
            # a step of an asynchronous generator knows its generator, but does not tell
            awaited = next(filter(inspect.isasyncgen, gc.get_referents(awaited)), None)


def _of(awaited: Any, what: str) -> Any:
    """An attribute of a coroutine, an asynchronous generator or a generator: their names differ by a prefix."""
    return next(
        (getattr(awaited, name) for name in (f"cr_{what}", f"ag_{what}", f"gi_{what}") if hasattr(awaited, name)), None
    )
