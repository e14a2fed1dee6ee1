"""Sends items to the `posts.raw` of a run: in order, paced, confirmed, and resumed after a kill."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from streams.contracts import ORIGIN_HEADER, DeadLetter, origin_of, parse_location, utc_now
from streams.errors import Unavailable
from streams.kafka.reader import open_reader, partitions_of, read_topic
from streams.kafka.reliable_producer import OutgoingRecord, ReliableProducer, Stopped, dead_letter_record
from streams.replay.reader import Reader
from streams.replay.selection import Selection, Selector
from streams.runtime.lossless import Record as Item
from streams.settings import Settings

_LONGEST_SLEEP_SECONDS = 0.2
_CLOSE_SECONDS = 10.0

Source = tuple[str, int]


@dataclass
class FeedProgress:
    """The progress of a feed; may be read from another thread."""

    read: int = 0
    chosen: int = 0
    """Items selected for the replay, including those sent before it was resumed."""
    sent: int = 0
    """Items sent and confirmed since this process started."""
    late_seconds: float = 0.0
    """How long after its deadline the last item was sent; 0 without pacing."""
    event_ms: int = 0
    """Record time of the newest item sent, in milliseconds since 1970."""
    unreadable: int = 0
    done: bool = False


@dataclass(frozen=True)
class ResumePoint:
    """The items already in the topic of the run: the last offset of each source partition, by topic partition."""

    offsets: Mapping[int, Mapping[Source, int]] = field(default_factory=dict)

    def holds(self, partition: int, item: Item) -> bool:
        return item.offset <= self.offsets.get(partition, {}).get((item.topic, item.partition), -1)


def resume_point(settings: Settings) -> ResumePoint:
    """Return which items of the run have already been sent. Raises Unavailable."""
    found: dict[int, dict[Source, int]] = defaultdict(dict)
    for record in read_topic(settings.kafka, settings.topics.raw):
        if origin := origin_of(record.headers):
            name, partition, offset = parse_location(origin)
            offsets = found[record.partition]
            offsets[name, partition] = max(offset, offsets.get((name, partition), -1))
    return ResumePoint(found)


class ReplayFeed:
    """Sends the selected items of a reader to the topic of the run.

    Items of a source partition keep their order within each partition of the topic, so the last one found there shows
    how far the run is: after a kill, no item is left out or sent twice.
    """

    def __init__(
        self,
        reader: Reader,
        selection: Selection,
        settings: Settings,
        *,
        speed: float = inf,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Set up the feed without connecting.

        Args:
            reader: The source of the items.
            selection: Which items to send.
            settings: Settings of the run.
            speed: Speed relative to real time; infinity: no pacing.
            clock: Monotonic clock, in seconds.
            sleep: Sleeps for a number of seconds.
        """
        self._reader = reader
        self._selector = Selector(selection)
        self._settings = settings
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._stopping = False
        self._producer = ReliableProducer(settings, self._oversize)
        self._partitions: list[int] = []
        self.progress = FeedProgress()

    def stop(self) -> None:
        """Make `run` return soon; may be called from another thread. The same replay can be resumed from there."""
        self._stopping = True
        self._producer.stop()

    def run(self, already: ResumePoint) -> bool:
        """Send the items and return whether all of them are sent and confirmed.

        Args:
            already: The items to skip because they were sent before.

        Raises:
            Unavailable: Kafka or the source does not answer.
            BadInput: The source cannot be read.
            Refused: Kafka rejects a record for good.
        """
        try:
            self._producer.open()
        except KafkaError as error:
            raise Unavailable(
                f"{self._settings.kafka.bootstrap_servers}: {error}: run `tagpulse doctor` to find out why"
            ) from error
        with open_reader(self._settings.kafka) as consumer:
            self._partitions = sorted(at.partition for at in partitions_of(consumer, self._settings.topics.raw))
        try:
            for records in self._due(already):
                self._producer.send(records)
                self._note(records)
            self.progress.done = not self._stopping and self._producer.drain() == 0
        except Stopped:
            self.progress.done = False
        finally:
            self._producer.close(_CLOSE_SECONDS)
            self.progress.sent = self._producer.confirmed[self._settings.topics.raw]
        return self.progress.done

    def _due(self, already: ResumePoint) -> Iterator[list[OutgoingRecord]]:
        """Yield the selected items that are not in the topic yet, each when it is due."""
        paced = self._speed != inf
        start: tuple[float, int] | None = None
        for block in self._reader.items(in_time=paced):
            due: list[OutgoingRecord] = []
            for item in block:
                self.progress.read += 1
                if not self._selector.chooses(item):
                    continue
                self.progress.chosen += 1
                partition = self._partition(item)
                if already.holds(partition, item):
                    continue
                if paced:
                    start = start or (self._clock(), item.timestamp_ms)
                    deadline = start[0] + (item.timestamp_ms - start[1]) / 1000 / self._speed
                    if deadline > self._clock():
                        yield due
                        due = []
                        self._wait_until(deadline)
                    self.progress.late_seconds = max(0.0, self._clock() - deadline)
                due.append(self._record(item, partition))
                if self._stopping:
                    return
            self.progress.unreadable = self._selector.unreadable
            yield due

    def _wait_until(self, deadline: float) -> None:
        while not self._stopping and (left := deadline - self._clock()) > 0:
            self._sleep(min(left, _LONGEST_SLEEP_SECONDS))
            self._producer.settle()

    def _partition(self, item: Item) -> int:
        """Return the partition for the key of an item, which is the same one if the source has as many partitions."""
        if self._reader.partitions == len(self._partitions):
            return item.partition
        # without a key a producer would choose at random, and differently after a resume
        number = item.offset if item.key is None else murmur2(item.key) & 0x7FFFFFFF
        return self._partitions[number % len(self._partitions)]

    def _record(self, item: Item, partition: int) -> OutgoingRecord:
        headers = [(name, value) for name, value in item.headers if name != ORIGIN_HEADER]
        headers.append((ORIGIN_HEADER, item.location.encode()))
        topic = self._settings.topics.raw
        return OutgoingRecord(topic, item.key, item.value, item.timestamp_ms, "replay", "message", headers, partition)

    def _note(self, records: Sequence[OutgoingRecord]) -> None:
        if records:
            self.progress.event_ms = max(self.progress.event_ms, records[-1].timestamp_ms)
        self.progress.sent = self._producer.confirmed[self._settings.topics.raw]

    def _oversize(self, record: OutgoingRecord, error: str) -> OutgoingRecord:
        name, partition, offset = parse_location(origin_of(record.headers) or "")
        letter = DeadLetter(
            topic=name,
            partition=partition,
            offset=offset,
            timestamp_ms=record.timestamp_ms,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
            reason="oversize",
            error=error,
            attempts=1,
            failed_at=utc_now(),
        )
        return dead_letter_record(letter, self._settings.topics, "replay")
