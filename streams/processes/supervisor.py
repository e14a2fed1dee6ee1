"""Runs several processes for `--concurrency` and for multiple sinks, and restarts those that die."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from streams.processes.child import spawn

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SIGNALLED = 128  # plus the number of the signal, as in shells

PERMANENT = (2, 65, 77, 78)
"""Exit codes after which a restart cannot help: wrong usage, bad input, refused, wrong settings."""


@dataclass
class _Child:
    number: int
    arguments: Sequence[str]
    process: subprocess.Popen[bytes]
    started: float
    backoff: float = FIRST_BACKOFF_SECONDS
    restart_at: float | None = None


def run(commands: Sequence[Sequence[str]], threads: int) -> int:
    """Run `tagpulse COMMAND` for each command, until SIGTERM or Ctrl-C, or until one fails permanently.

    Process N has its own metrics port (the setting plus N) and, if static membership is configured, its own instance
    id.

    Args:
        commands: The arguments of each process.
        threads: Number of model threads per process.

    Returns:
        The highest exit code of the processes; 0 if all of them ended cleanly.
    """
    stop = False

    def request_stop(*_: object) -> None:
        nonlocal stop
        stop = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    children = [
        _Child(number, arguments, _start(arguments, number, threads), time.monotonic())
        for number, arguments in enumerate(commands)
    ]
    code = 0
    while not stop and code == 0:
        time.sleep(_POLL_SECONDS)
        for child in children:
            code = code or _check(child, threads)
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    return max([code, *(_exit_code(child) for child in children)])


def _start(arguments: Sequence[str], number: int, threads: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"TAGPULSE_MODEL__THREADS": str(threads)}
    instance = environment.get("TAGPULSE_KAFKA__INSTANCE_ID")
    if instance:
        environment["TAGPULSE_KAFKA__INSTANCE_ID"] = f"{instance}-{number}"
    command = [sys.executable, "-m", "streams", *arguments, "--process-number", str(number)]
    return spawn(command, None, environment)


def _check(child: _Child, threads: int) -> int:
    """Restart a child that has ended, with back-off; return its exit code if it failed permanently, else 0."""
    code = child.process.poll()
    now = time.monotonic()
    if code is None:
        return 0
    if code in PERMANENT:
        logger.error("process %d failed permanently (exit code %d); stopping the others", child.number, code)
        return code
    if child.restart_at is None:
        if now - child.started > STEADY_SECONDS:
            child.backoff = FIRST_BACKOFF_SECONDS
        child.restart_at = now + child.backoff
        child.backoff = min(child.backoff * 2, MAX_BACKOFF_SECONDS)
        logger.warning(
            "process %d ended (exit code %d); restarting it in %.0f s", child.number, code, child.restart_at - now
        )
    elif now >= child.restart_at:
        child.process, child.started, child.restart_at = _start(child.arguments, child.number, threads), now, None
    return 0


def _exit_code(child: _Child) -> int:
    if child.restart_at is not None:
        return 0
    try:
        code = child.process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.process.kill()
        code = child.process.wait()
        logger.error("process %d did not stop and was killed", child.number)
    # the signal sent by `run`, which arrived before the child had set up its handler
    if code == -signal.SIGTERM:
        return 0
    return code if code >= 0 else _SIGNALLED - code
