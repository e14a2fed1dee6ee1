"""The signals that ask a process to stop call a function instead of ending it."""

from __future__ import annotations

import signal
import subprocess
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


WITHOUT_A_LOOP = """
import os, sys
from streams.processes.signals import on_stop

calls = []
on_stop(lambda: calls.append("stop"))
os.kill(os.getpid(), int(sys.argv[1]))
print(*calls)
"""
ON_A_LOOP = """
import asyncio, os, sys
from streams.processes.signals import on_stop

async def main():
    stopping = asyncio.Event()
    on_stop(stopping.set)
    os.kill(os.getpid(), int(sys.argv[1]))
    await stopping.wait()
    print("stop")

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", [WITHOUT_A_LOOP, ON_A_LOOP], ids=["without an event loop", "on an event loop"])
def test_a_signal_is_handled(code: str, number: int) -> None:
    done = subprocess.run([sys.executable, "-c", code, str(number)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stop\n", "")


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
