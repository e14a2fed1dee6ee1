"""The signals that ask a process to stop call a function instead of ending it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from streams.processes.signals import on_stop


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_without_an_event_loop(number: int) -> None:
    calls: list[str] = []
    on_stop(lambda: calls.append("stop"))
    os.kill(os.getpid(), number)
    assert calls == ["stop"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_on_the_event_loop(number: int) -> None:
    stopping = asyncio.Event()
    on_stop(stopping.set)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(10):
        await stopping.wait()
