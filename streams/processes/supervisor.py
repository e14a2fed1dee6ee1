"""Runs several processes for `--concurrency` and for multiple sinks, and restarts those that die."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from streams.errors import TagpulseError
from streams.processes.process import TAGPULSE, Process, stop
from streams.processes.signals import StopRequest, on_stop

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_STOP_SECONDS = 30.0


def run(commands: Sequence[Sequence[str]], threads: int) -> int:
    """Run `tagpulse COMMAND` for each command, until SIGTERM or Ctrl-C, or until one fails permanently.

    Process N has its own metrics port (the setting plus N) and, if static membership is configured, its own instance
    id.

    Args:
        commands: The arguments of each process.
        threads: Number of model threads per process.

    Returns:
        The highest exit code of the processes, also of those that await their restart; 0 if all of them ended cleanly.
    """
    stopping = StopRequest()
    on_stop(stopping.make)
    processes = [_process(arguments, number, threads).start() for number, arguments in enumerate(commands)]
    try:
        while not stopping.wait(_POLL_SECONDS):
            for process in processes:
                process.look()
    except TagpulseError as error:
        logger.error("%s; stopping the other processes", error)
    stop(processes, _STOP_SECONDS)
    return max(process.exit_code or 0 for process in processes)


def _process(arguments: Sequence[str], number: int, threads: int) -> Process:
    environment = os.environ | {"TAGPULSE_MODEL__THREADS": str(threads)}
    instance = environment.get("TAGPULSE_KAFKA__INSTANCE_ID")
    if instance:
        environment["TAGPULSE_KAFKA__INSTANCE_ID"] = f"{instance}-{number}"
    command = (*TAGPULSE, *arguments, "--process-number", str(number))
    return Process(f"process {number}", command, None, environment)
