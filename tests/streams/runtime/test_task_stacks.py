"""The stacks of tasks can be read from another thread, call by call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from streams.runtime.task_stacks import task_stacks


async def test_each_task_shows_its_calls_down_to_where_it_waits() -> None:
    never = asyncio.Event()

    async def inner() -> None:
        await never.wait()

    async def numbers() -> AsyncIterator[int]:
        await inner()
        yield 1

    async def outer() -> None:
        async for _ in numbers():
            pass

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    (line,) = [each for each in await asyncio.to_thread(task_stacks, asyncio.get_running_loop()) if "outer" in each]
    calls = [call.rpartition(".")[2] for call in line.split(" > ")]
    assert calls == ["outer", "numbers", "inner", "wait"], line
    assert "test_task_stacks.py:" in line
    task.cancel()
