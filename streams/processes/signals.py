"""The signals that ask a process to stop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable


class StopRequest:
    """A request to stop, which a signal handler may make while the main thread waits for it.

    `threading.Event` is not safe for that: its lock is not reentrant, and a handler that interrupts the thread that holds
    the lock would wait for it for ever.
    """

    def __init__(self) -> None:
        self._is_made = False

    def make(self) -> None:
        """Ask to stop."""
        self._is_made = True

    def wait(self, seconds: float) -> bool:
        """Return whether the request has been made, after at most `seconds`."""
        if not self._is_made:
            time.sleep(seconds)
        return self._is_made


def on_stop(act: Callable[[], object]) -> None:
    """Let Ctrl-C and SIGTERM call `act` instead of ending the process: on the event loop, if one is running."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    for number in (signal.SIGINT, signal.SIGTERM):
        if loop is None:
            signal.signal(number, lambda *_: act())
        else:
            loop.add_signal_handler(number, act)
