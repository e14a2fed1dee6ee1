"""The workers of a run: processes of `tagpulse worker` that read and write what is the run's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer

from streams.child import log_tail, spawn
from streams.errors import TagpulseError
from streams.reader import connect, end_offsets, partitions_of
from streams.settings import PREFIX, Settings

_STOP_SECONDS = 30.0


@dataclass
class _Worker:
    arguments: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes]


class Workers:
    """Starts the workers, and tells when they are done; none outlives this process.

    Their settings are those of this process's environment, with the run's name.
    """

    def __init__(self, settings: Settings, sinks: Sequence[str], *, concurrency: int, logs: Path) -> None:
        """`settings` are those of the run; `concurrency`: enrich processes; `logs`: folder of their logs."""
        self._settings = settings
        self._commands = [
            ["enrich", "--concurrency", str(concurrency)],
            *(["store", "--sink", sink] for sink in sinks),
        ]
        self._logs = logs
        self._workers: list[_Worker] = []
        self._stages = [
            _Stage(settings, settings.topics.raw, "enrich"),
            *(_Stage(settings, settings.topics.enriched, f"store-{sink}") for sink in sinks),
        ]

    def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {f"{PREFIX}RUN": self._settings.run, f"{PREFIX}METRICS__PORT": "0"}
        for command in self._commands:
            log = self._logs / f"{'-'.join(command).replace('--', '')}.log"
            arguments = ["worker", *command]
            process = spawn([sys.executable, "-m", "streams", *arguments], log, environment)
            self._workers.append(_Worker(arguments, log, process))

    def check(self) -> None:
        """Raises TagpulseError, with the end of its log, when a worker has ended by itself."""
        for worker in self._workers:
            code = worker.process.poll()
            if code is not None:
                raise TagpulseError(
                    f"`tagpulse {' '.join(worker.arguments)}` ended with {code}; the same command goes on from here:\n"
                    f"{log_tail(worker.log)}"
                )

    def left(self) -> dict[str, int]:
        """What each worker has not committed of its topic as it is now. Raises Unavailable."""
        return {stage.worker: stage.left() for stage in self._stages}

    def stop(self) -> None:
        """Ends them as one does; raises TagpulseError when one fails at that."""
        self.close(_STOP_SECONDS)
        for worker in self._workers:
            if worker.process.returncode:
                raise TagpulseError(
                    f"`tagpulse {' '.join(worker.arguments)}` ended with {worker.process.returncode}:\n"
                    f"{log_tail(worker.log)}"
                )

    def close(self, seconds: float = 5.0) -> None:
        """Ends what runs, within `seconds`."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        deadline = time.monotonic() + seconds
        for worker in self._workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
        for stage in self._stages:
            stage.close()


class _Stage:
    """A worker's group and the topic that it reads."""

    def __init__(self, settings: Settings, topic: str, worker: str) -> None:
        self.worker = worker
        self._kafka = settings.kafka
        self._topic = topic
        self._group = f"{settings.kafka.group_prefix}.{worker}"
        self._consumer: KafkaConsumer | None = None

    def left(self) -> int:
        if self._consumer is None:
            self._consumer = connect(self._kafka, self._group)
        partitions = partitions_of(self._consumer, self._topic)
        ends = end_offsets(self._consumer, partitions)
        starts = self._consumer.beginning_offsets(partitions)
        return sum(end - max(starts[at], self._consumer.committed(at) or 0) for at, end in ends.items())

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
