"""The workers of a run: processes of `tagpulse worker` that read and write what is the run's own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from streams.errors import TagpulseError
from streams.kafka.reader import connect, end_offsets, partitions_of
from streams.processes.child import log_tail, spawn
from streams.settings import PREFIX, Settings

_STOP_SECONDS = 30.0
_SPIKES = ("watch", "watch-spikes")
"""The group that reads the minutes, and the name of what it does."""


@dataclass
class _Worker:
    arguments: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes]


class Workers:
    """Starts the workers, and tells when they are done; none outlives this process.

    Their settings are those of this process's environment, with the run's name.
    """

    def __init__(
        self, settings: Settings, sinks: Sequence[str], *, concurrency: int, logs: Path, watch: bool = False
    ) -> None:
        """`settings` are those of the run; `concurrency`: enrich processes; `logs`: folder of their logs; `watch`: whether
        a watch worker makes minutes and finds spikes."""
        self._settings = settings
        self._watch = watch
        self._ends = logs / "ends.json"
        self._commands = [
            ["enrich", "--concurrency", str(concurrency)],
            *(["store", "--sink", sink] for sink in sinks),
            *([["watch", "--ends", str(self._ends)]] if watch else []),
        ]
        self._logs = logs
        self._workers: list[_Worker] = []
        topics = settings.topics
        self._stages = [
            _Stage(settings, topics.raw, "enrich"),
            *(_Stage(settings, topics.enriched, f"store-{sink}") for sink in sinks),
        ]
        if watch:
            self._stages += [_Stage(settings, topics.enriched, "watch"), _Stage(settings, topics.minutes, *_SPIKES)]

    def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._ends.unlink(missing_ok=True)
        environment = os.environ | {f"{PREFIX}RUN": self._settings.run, f"{PREFIX}METRICS__PORT": "0"}
        for command in self._commands:
            # a path is no part of a name
            name = "-".join(word.removeprefix("--") for word in command if os.sep not in word)
            log = self._logs / f"{name}.log"
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

    def end_input(self, left: Mapping[str, int]) -> None:
        """The run's `posts.raw` is complete; once all of it is enriched, tells the watch worker where its input ends.

        `left`: what `left` answered after it was complete.
        """
        if not self._watch or left["enrich"] or self._ends.exists():
            return
        ends = {str(partition): end for partition, end in self._stages[-2].ends().items()}
        draft = self._ends.with_suffix(".new")
        draft.write_text(json.dumps(ends))
        draft.replace(self._ends)

    @property
    def is_ended(self) -> bool:
        """Whether nobody has to be told any more that the input is complete."""
        return not self._watch or self._ends.exists()

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

    def __init__(self, settings: Settings, topic: str, group: str, worker: str = "") -> None:
        """`worker`: its name, where it is not that of the group."""
        self.worker = worker or group
        self._kafka = settings.kafka
        self._topic = topic
        self._group = f"{settings.kafka.group_prefix}.{group}"
        self._consumer: KafkaConsumer | None = None

    def left(self) -> int:
        consumer, ends = self._ends()
        starts = consumer.beginning_offsets(list(ends))
        return sum(end - max(starts[at], consumer.committed(at) or 0) for at, end in ends.items())

    def ends(self) -> dict[int, int]:
        """The end of each partition now."""
        return {at.partition: end for at, end in self._ends()[1].items()}

    def _ends(self) -> tuple[KafkaConsumer, dict[TopicPartition, int]]:
        if self._consumer is None:
            self._consumer = connect(self._kafka, self._group)
        return self._consumer, end_offsets(self._consumer, partitions_of(self._consumer, self._topic))

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
