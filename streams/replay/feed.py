"""Items → the run's own `posts.raw`: in order, paced, each confirmed, and after a kill from where it was."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from streams.contracts import ORIGIN_HEADER, DeadLetter, encode, fit_dead_letter, origin_of, parse_location, utc_now
from streams.errors import Unavailable
from streams.kafka.reader import open_reader, partitions_of, read_topic
from streams.kafka.reliable_producer import OutgoingRecord, ReliableProducer, Stopped
from streams.replay.reader import Reader
from streams.replay.selection import Selection, Selector
from streams.runtime.lossless import Record as Item
from streams.settings import Settings

_LONGEST_SLEEP_SECONDS = 0.2
_CLOSE_SECONDS = 10.0

Source = tuple[str, int]


@dataclass
class FeedProgress:
    """How far a feed is; may be read from another thread."""

    read: int = 0
    chosen: int = 0
    """Items that belong to the replay, those that an earlier start had sent among them."""
    sent: int = 0
    """Sent by this start and confirmed."""
    late_seconds: float = 0.0
    """How far behind its deadline the last item was handed over; 0 without a pace."""
    event_ms: int = 0
    """Time of the newest item that was handed over."""
    unreadable: int = 0
    done: bool = False


@dataclass(frozen=True)
class ResumePoint:
    """Which items stand in the run's topic already: the last offset of each source in each partition of the topic."""

    offsets: Mapping[int, Mapping[Source, int]] = field(default_factory=dict)

    def holds(self, partition: int, item: Item) -> bool:
        return item.offset <= self.offsets.get(partition, {}).get((item.topic, item.partition), -1)


def resume_point(settings: Settings) -> ResumePoint:
    """Reads what an earlier start of the run has sent. Raises Unavailable."""
    found: dict[int, dict[Source, int]] = defaultdict(dict)
    for record in read_topic(settings.kafka, settings.topics.raw):
        if origin := origin_of(record.headers):
            name, partition, offset = parse_location(origin)
            places = found[record.partition]
            places[name, partition] = max(offset, places.get((name, partition), -1))
    return ResumePoint(found)


class ReplayFeed:
    """Sends the chosen items of a reader to the run's topic.

    Items of one source partition keep their order within each partition of the topic, so that the last one found there
    says what the run has: after a kill nothing is left out, and nothing sent twice.
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
        """`settings` are those of the run; `speed`: how many times faster than it happened, infinity as fast as it goes."""
        self._reader = reader
        self._chooser = Selector(selection)
        self._settings = settings
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._stopping = False
        self._outbox = ReliableProducer(settings, self._oversize)
        self._partitions: list[int] = []
        self.progress = FeedProgress()

    def stop(self) -> None:
        """Ends `run` soon, from another thread: the same replay goes on from there."""
        self._stopping = True
        self._outbox.stop()

    def run(self, already: ResumePoint) -> bool:
        """Returns whether all was sent and confirmed. Raises Unavailable, BadInput, Refused."""
        try:
            self._outbox.open()
        except KafkaError as error:
            raise Unavailable(
                f"{self._settings.kafka.bootstrap_servers}: {error}: `tagpulse doctor` says why"
            ) from error
        with open_reader(self._settings.kafka) as consumer:
            self._partitions = sorted(at.partition for at in partitions_of(consumer, self._settings.topics.raw))
        try:
            for records in self._due(already):
                self._outbox.send(records)
                self._note(records)
            self.progress.done = not self._stopping and self._outbox.drain() == 0
        except Stopped:
            self.progress.done = False
        finally:
            self._outbox.close(_CLOSE_SECONDS)
            self.progress.sent = self._outbox.confirmed[self._settings.topics.raw]
        return self.progress.done

    def _due(self, already: ResumePoint) -> Iterator[list[OutgoingRecord]]:
        """The chosen items that are not in the topic yet, each when its time has come."""
        paced = self._speed != inf
        begin: tuple[float, int] | None = None
        for block in self._reader.items(in_time=paced):
            due: list[OutgoingRecord] = []
            for item in block:
                self.progress.read += 1
                if not self._chooser.chooses(item):
                    continue
                self.progress.chosen += 1
                partition = self._partition(item)
                if already.holds(partition, item):
                    continue
                if paced:
                    begin = begin or (self._clock(), item.timestamp_ms)
                    deadline = begin[0] + (item.timestamp_ms - begin[1]) / 1000 / self._speed
                    if deadline > self._clock():
                        yield due
                        due = []
                        self._wait_until(deadline)
                    self.progress.late_seconds = max(0.0, self._clock() - deadline)
                due.append(self._record(item, partition))
                if self._stopping:
                    return
            self.progress.unreadable = self._chooser.unreadable
            yield due

    def _wait_until(self, deadline: float) -> None:
        while not self._stopping and (left := deadline - self._clock()) > 0:
            self._sleep(min(left, _LONGEST_SLEEP_SECONDS))
            self._outbox.settle()

    def _partition(self, item: Item) -> int:
        """As the key says, as everywhere in Kafka; known without asking where the source is a topic of the same shape."""
        if self._reader.partitions == len(self._partitions):
            return item.partition
        # without a key a producer would choose at random, and a later start otherwise
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
        self.progress.sent = self._outbox.confirmed[self._settings.topics.raw]

    def _oversize(self, record: OutgoingRecord, error: str) -> OutgoingRecord:
        now = utc_now()
        name, partition, offset = parse_location(origin_of(record.headers) or "")
        value, cut = fit_dead_letter(record.value or b"", self._settings.topics.dead_limit)
        letter = DeadLetter(
            topic=name,
            partition=partition,
            offset=offset,
            timestamp_ms=record.timestamp_ms,
            key=record.key,
            value=value,
            headers=tuple(record.headers),
            reason="oversize",
            error=error + cut,
            attempts=1,
            failed_at=now,
        )
        time_ms = int(now.timestamp() * 1000)
        return OutgoingRecord(self._settings.topics.dead, record.key, encode(letter), time_ms, "replay", "dead_letter")
