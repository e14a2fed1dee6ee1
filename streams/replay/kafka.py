"""A reader of `posts.raw` without a group, so that it affects neither the workers nor the offsets of the live run."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition

from streams.contracts import partition_name
from streams.errors import BadInput, Unavailable
from streams.kafka.reader import end_offsets, open_reader, partitions_of
from streams.replay.lookup import start_offsets
from streams.replay.reader import Bounds, Reader
from streams.replay.selection import Selection
from streams.runtime.lossless import Record
from streams.settings import KafkaSettings

_POLL_MS = 200
_SILENCE_SECONDS = 60.0
_WAITING = 2_000
"""Number of waiting items at which a partition is paused until the others catch up."""


class KafkaReader(Reader):
    """Reads a topic between two offsets of each partition, which `open` derives from a selection."""

    def __init__(self, kafka: KafkaSettings, bounds: Sequence[Bounds]) -> None:
        self._kafka = kafka
        self._bounds = bounds
        self.partitions = len(bounds)

    @classmethod
    def open(cls, kafka: KafkaSettings, topic: str, selection: Selection) -> KafkaReader:
        """Return a reader of a topic.

        Raises:
            BadInput: The topic does not exist.
            Unavailable: Kafka does not answer.
        """
        with open_reader(kafka) as consumer:
            partitions = partitions_of(consumer, topic)
            if not partitions:
                raise BadInput(f"there is no topic {topic}: `tagpulse topics list` shows the topics")
            ends = end_offsets(consumer, partitions)
            starts = dict(consumer.beginning_offsets(partitions))
            if selection.since_ms is not None:
                starts = start_offsets(consumer, starts, ends, selection.since_ms)
        return cls(kafka, [_bounds(at, starts[at], ends[at], selection.offsets) for at in partitions])

    @property
    def bounds(self) -> Sequence[Bounds]:
        return self._bounds

    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        wanted = {TopicPartition(each.topic, each.partition): each for each in self._bounds if _length(each)}
        if not wanted:
            return
        with open_reader(self._kafka) as consumer:
            consumer.assign(list(wanted))
            for at, each in wanted.items():
                consumer.seek(at, each.first)
            reading = _Reading(consumer, {at: each.end or 0 for at, each in wanted.items()})
            yield from _merged(reading) if in_time else reading.polls()


class _Reading:
    """The partitions that have not been read to their ends yet."""

    def __init__(self, consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
        self._consumer = consumer
        self.open = dict(ends)

    def polls(self) -> Iterator[list[Record]]:
        last_read = time.monotonic()
        while self.open:
            items = self.poll()
            if items:
                last_read = time.monotonic()
                yield items
            elif time.monotonic() - last_read > _SILENCE_SECONDS:
                at = next(iter(self.open))
                raise Unavailable(
                    f"{partition_name(*at)}: no records arrived for {_SILENCE_SECONDS:.0f} s before its end: "
                    "run the same command again to resume"
                )

    def poll(self) -> list[Record]:
        items = []
        for at, records in self._consumer.poll(timeout_ms=_POLL_MS, max_records=5_000).items():
            end = self.open.get(at, 0)
            items += [_item(record) for record in records if record.offset < end]
        for at in [at for at, end in self.open.items() if self._consumer.position(at) >= end]:
            # records after the end are not needed and must not be fetched
            del self.open[at]
            self._consumer.pause(at)
        return items

    def hold_back(self, waiting: Mapping[int, deque[Record]]) -> None:
        """Pause the partitions with enough waiting items, and resume the others."""
        for at in self.open:
            (self._consumer.pause if len(waiting.get(at.partition, ())) >= _WAITING else self._consumer.resume)(at)


def _merged(reading: _Reading) -> Iterator[list[Record]]:
    """Yield items merged by time: an item is due once every partition that is not at its end has one waiting."""
    waiting: dict[int, deque[Record]] = {at.partition: deque() for at in reading.open}
    last_read = time.monotonic()
    while reading.open or any(waiting.values()):
        if reading.open:
            for item in reading.poll():
                waiting[item.partition].append(item)
                last_read = time.monotonic()
            if time.monotonic() - last_read > _SILENCE_SECONDS:
                raise Unavailable(
                    f"no records arrived for {_SILENCE_SECONDS:.0f} s: run the same command again to resume"
                )
        needed = {at.partition for at in reading.open}
        ready: list[Record] = []
        heap = [(queue[0].timestamp_ms, partition) for partition, queue in waiting.items() if queue]
        heapq.heapify(heap)
        while heap and all(waiting[partition] for partition in needed):
            _, partition = heapq.heappop(heap)
            ready.append(waiting[partition].popleft())
            if waiting[partition]:
                heapq.heappush(heap, (waiting[partition][0].timestamp_ms, partition))
        if ready:
            yield ready
        reading.hold_back(waiting)


def _bounds(at: TopicPartition, start: int, end: int, offsets: Mapping[int, tuple[int, int]]) -> Bounds:
    if offsets:
        first, last = offsets.get(at.partition, (end, end - 1))
        start, end = max(start, first), min(end, last + 1)
    return Bounds(at.topic, at.partition, min(start, end), end)


def _length(bounds: Bounds) -> int:
    return (bounds.end or 0) - bounds.first


def _item(record: object) -> Record:
    topic, partition, offset = record.topic, record.partition, record.offset  # type: ignore[attr-defined]
    return Record(topic, partition, offset, record.timestamp, record.key, record.value, record.headers)  # type: ignore[attr-defined]
