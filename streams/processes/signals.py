"""The signals that ask a process to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable


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
