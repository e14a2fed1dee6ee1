"""Items from `posts.raw`, read without a group: the live day's workers and offsets are left alone."""

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
"""Items of a partition that wait for those of others before it is read no further."""


class KafkaReader(Reader):
    """A topic between two offsets of each partition, found from a selection when it is made."""

    def __init__(self, kafka: KafkaSettings, bounds: Sequence[Bounds]) -> None:
        self._kafka = kafka
        self._bounds = bounds
        self.partitions = len(bounds)

    @classmethod
    def open(cls, kafka: KafkaSettings, topic: str, selection: Selection) -> KafkaReader:
        """Raises BadInput when there is no such topic, Unavailable."""
        with open_reader(kafka) as consumer:
            partitions = partitions_of(consumer, topic)
            if not partitions:
                raise BadInput(f"there is no topic {topic}: `tagpulse topics list` names them")
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
    """The partitions that are not at their ends yet."""

    def __init__(self, consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
        self._consumer = consumer
        self.open = dict(ends)

    def polls(self) -> Iterator[list[Record]]:
        heard = time.monotonic()
        while self.open:
            items = self.poll()
            if items:
                heard = time.monotonic()
                yield items
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                at = next(iter(self.open))
                raise Unavailable(
                    f"{partition_name(*at)}: nothing came for {_SILENCE_SECONDS:.0f} s, and its end is not reached: "
                    "the same command goes on from here"
                )

    def poll(self) -> list[Record]:
        items = []
        for at, records in self._consumer.poll(timeout_ms=_POLL_MS, max_records=5_000).items():
            end = self.open.get(at, 0)
            items += [_item(record) for record in records if record.offset < end]
        for at in [at for at, end in self.open.items() if self._consumer.position(at) >= end]:
            # its further records are not ours: they must not be fetched for nothing
            del self.open[at]
            self._consumer.pause(at)
        return items

    def hold_back(self, waiting: Mapping[int, deque[Record]]) -> None:
        """Reads no further where enough is waiting."""
        for at in self.open:
            (self._consumer.pause if len(waiting.get(at.partition, ())) >= _WAITING else self._consumer.resume)(at)


def _merged(reading: _Reading) -> Iterator[list[Record]]:
    """By time across the partitions: an item goes once every partition that is not at its end has one waiting."""
    waiting: dict[int, deque[Record]] = {at.partition: deque() for at in reading.open}
    heard = time.monotonic()
    while reading.open or any(waiting.values()):
        if reading.open:
            for item in reading.poll():
                waiting[item.partition].append(item)
                heard = time.monotonic()
            if time.monotonic() - heard > _SILENCE_SECONDS:
                raise Unavailable(f"nothing came for {_SILENCE_SECONDS:.0f} s: the same command goes on from here")
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
