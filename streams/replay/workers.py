"""The workers of a run: `tagpulse worker` processes that only use the topics, groups and rows of the run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from streams.files import write_durably
from streams.kafka.reader import connect, end_offsets, partitions_of
from streams.processes.process import TAGPULSE, Process, stop
from streams.settings import PREFIX, Settings

_STOP_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_SPIKES_GROUP = ("watch", "watch-spikes")
"""The group that reads the minutes, and the name under which its progress is shown."""


class Workers:
    """Starts the workers and checks their progress; none of them outlives this process.

    They take their settings from the environment of this process, with the name of the run.
    """

    def __init__(
        self, settings: Settings, sinks: Sequence[str], *, concurrency: int, logs: Path, watch: bool = False
    ) -> None:
        """Set up the workers without starting them.

        Args:
            settings: Settings of the run.
            sinks: Names of the sinks, with a store worker each.
            concurrency: Number of enrich processes.
            logs: Folder for the logs of the workers.
            watch: Whether a watch worker computes minutes and detects spikes.
        """
        self._settings = settings
        self._watch = watch
        self._ends = logs / "ends.json"
        self._commands = [
            ["enrich", "--concurrency", str(concurrency)],
            *(["store", "--sink", sink] for sink in sinks),
            *([["watch", "--ends", str(self._ends)]] if watch else []),
        ]
        self._logs = logs
        self._workers: list[Process] = []
        topics = settings.topics
        self._stages = [
            _Stage(settings, topics.raw, "enrich"),
            *(_Stage(settings, topics.enriched, f"store-{sink}") for sink in sinks),
        ]
        if watch:
            self._stages += [
                _Stage(settings, topics.enriched, "watch"),
                _Stage(settings, topics.minutes, *_SPIKES_GROUP),
            ]

    def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._ends.unlink(missing_ok=True)
        environment = os.environ | {f"{PREFIX}RUN": self._settings.run, f"{PREFIX}METRICS__PORT": "0"}
        for command in self._commands:
            # paths do not belong in the name
            name = "-".join(word.removeprefix("--") for word in command if os.sep not in word)
            process = Process(name, (*TAGPULSE, "worker", *command), self._logs / f"{name}.log", environment)
            self._workers.append(process.start())

    def check(self) -> None:
        """Raise TagpulseError, with the end of its log, if a worker has ended by itself."""
        for worker in self._workers:
            if not worker.running:
                raise worker.error("run the same command again to resume")

    def left(self) -> dict[str, int]:
        """Return how many records of its topic each worker has not committed yet. Raises Unavailable."""
        return {stage.worker: stage.left() for stage in self._stages}

    def end_input(self, left: Mapping[str, int]) -> None:
        """Announce the end of the input to the watch worker once everything is enriched.

        To be called after the `posts.raw` of the run is complete.

        Args:
            left: A result of `left` from after that time.
        """
        if not self._watch or left["enrich"] or self._ends.exists():
            return
        ends = {str(partition): end for partition, end in self._stages[-2].ends().items()}
        write_durably(self._ends, json.dumps(ends).encode())

    @property
    def is_ended(self) -> bool:
        """Whether the end of the input is announced, or need not be."""
        return not self._watch or self._ends.exists()

    def stop(self) -> None:
        """Stop the workers gracefully. Raises TagpulseError if one of them fails."""
        stop(self._workers, _STOP_SECONDS)
        for worker in self._workers:
            if worker.exit_code:
                raise worker.error()

    def close(self) -> None:
        """Terminate running workers, and kill those that do not end soon."""
        stop(self._workers, _CLOSE_SECONDS)
        for stage in self._stages:
            stage.close()


class _Stage:
    """The consumer group of a worker and the topic that it reads."""

    def __init__(self, settings: Settings, topic: str, group: str, worker: str = "") -> None:
        """Set up the progress check of a worker.

        Args:
            settings: Settings of the run.
            topic: Topic that the worker reads.
            group: Name of its consumer group, without the prefix.
            worker: Name of the worker if it differs from that of the group.
        """
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
        """Return the current end offset of each partition."""
        return {at.partition: end for at, end in self._ends()[1].items()}

    def _ends(self) -> tuple[KafkaConsumer, dict[TopicPartition, int]]:
        if self._consumer is None:
            self._consumer = connect(self._kafka, self._group)
        return self._consumer, end_offsets(self._consumer, partitions_of(self._consumer, self._topic))

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
