"""The signals that ask a process to stop call a function instead of ending it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from streams.processes.signals import StopRequest, on_stop
from tests.helpers.processes import deliver


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


@pytest.mark.timeout(30)
def test_a_signal_may_interrupt_every_line_of_the_wait() -> None:
    interrupted, lines = 0, 1
    while interrupted < lines:
        interrupted += 1
        request, lines = StopRequest(), 0
        on_stop(request.make)

        def count(_frame: object, event: str, _argument: object) -> object:
            nonlocal lines
            lines += event == "line"
            if event == "line" and lines == interrupted:  # noqa: B023 - it traces this pass alone
                deliver(signal.SIGTERM)
            return count

        sys.settrace(count)  # type: ignore[arg-type]
        try:
            is_made = request.wait(0.001)
        finally:
            sys.settrace(None)
        assert is_made == (interrupted <= lines)
    assert interrupted > 1
