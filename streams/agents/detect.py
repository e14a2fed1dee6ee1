"""`pulse.minutes` → `alerts.spikes`: the parts are put together, watched, and what turns is explained and told once."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from streams import metrics
from streams.backoff import Backoff
from streams.contracts import PulseMinute, Spike, decode_minute, decode_spike, encode
from streams.errors import BadMessage, Refused, Unavailable
from streams.kafka.publisher import Outgoing, Oversize, Publisher, record_ms
from streams.kafka.reader import open_reader, partitions_of, read_topic
from streams.minutes.merge import CompleteMinute, Merger
from streams.runtime.lossless import PartitionId, Record
from streams.settings import Settings
from streams.spikes import Detector, SensitivityName, SpikeEvent, merge_parts
from streams.spikes.explanation import explain

logger = logging.getLogger(__name__)

WORKER = "watch-spikes"
_BASELINE = timedelta(hours=6)
"""Before a spike: what its explanation compares with."""
_REMEMBERED = timedelta(hours=12)
_MAX_BACKOFF_SECONDS = 15.0

Told = tuple[str, str, datetime]
"""What tells one message about a spike from another: its id, state and time."""


class SpikeWatch:
    """Everything that follows from the parts of `pulse.minutes`, in their order."""

    def __init__(self, partitions: Iterable[int], sensitivity: SensitivityName) -> None:
        self._merger = Merger(partitions)
        self._detector = Detector(sensitivity)
        self._sensitivity = sensitivity
        self._history: defaultdict[str, deque[tuple[datetime, bytes]]] = defaultdict(deque)

    @property
    def until(self) -> datetime | None:
        """All minutes before it were looked at."""
        return self._merger.until

    def add(self, part: PulseMinute) -> Iterator[SpikeEvent]:
        """The turns that the next part makes known; each may be explained before the next one is asked for."""
        for whole in self._merger.add(part):
            self._remember(whole)
            watched = [merge_parts(parts) for hashtag, parts in whole.parts.items() if hashtag != metrics.OTHER]
            yield from self._detector.feed(whole.minute, watched)
        if self._merger.until is not None:
            yield from self._detector.advance(self._merger.until)

    def explained(self, turn: SpikeEvent) -> Spike:
        """The message about a turn."""
        minutes = self._history[turn.hashtag]
        spike = [decode_minute(value) for minute, value in minutes if turn.opened_at <= minute < turn.at]
        begin = turn.opened_at - _BASELINE
        before = [decode_minute(value) for minute, value in minutes if begin <= minute < turn.opened_at]
        explanation = explain(
            turn.kind,
            turn.hashtag,
            spike,
            before,
            posts=turn.posts,
            negative=turn.negative,
            share=turn.share,
            baseline=turn.baseline,
            rate=turn.rate,
            usual_rate=turn.usual_rate,
        )
        return turn.as_message(self._sensitivity, explanation)

    def _remember(self, whole: CompleteMinute) -> None:
        for hashtag, parts in whole.parts.items():
            minutes = self._history[hashtag]
            minutes.extend((whole.minute, encode(part)) for part in parts)
            while minutes[0][0] < whole.minute - _REMEMBERED:
                minutes.popleft()


class ReadPart(NamedTuple):
    record: Record
    part: PulseMinute | None


async def read_minutes(records: Sequence[Record]) -> list[ReadPart]:
    """Decodes records, in their order."""
    read = []
    for record in records:
        part = None
        try:
            part = decode_minute(record.value, record.headers)
        except BadMessage as error:
            logger.warning("%s is passed over: %s", record.location, error)
            metrics.UNREADABLE.labels(record.topic).inc()
        read.append(ReadPart(record, part))
    return read


class SpikesOutput:
    """Watches the minutes, and tells each turn of a spike once.

    There is no state to keep: who takes over reads all minutes from the start, and goes on where the group has committed.
    What was told between that and a crash stands on `alerts.spikes`, and is not told again.
    """

    def __init__(
        self,
        publisher: Publisher,
        settings: Settings,
        sensitivity: SensitivityName,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._publisher = publisher
        self._settings = settings
        self._sensitivity = sensitivity
        self._sleep = sleep
        self._watch: SpikeWatch | None = None
        self._told: set[Told] = set()
        self._handled = 0

    def restart(self) -> None:
        self._watch = None
        self._handled = 0
        metrics.OPEN_SPIKES.clear()

    def released(self, place: PartitionId) -> int:
        return self._handled

    def handled(self) -> Mapping[PartitionId, int]:
        return {(self._settings.topics.minutes, 0): self._handled}

    async def tick(self, owned: Mapping[PartitionId, bool]) -> None:
        """Time passes in the minutes alone."""

    async def write(self, result: Sequence[ReadPart]) -> None:
        """Returns when Kafka has confirmed what these minutes turned. Raises Refused."""
        for record, part in result:
            watch = await self._ready(record.offset)
            if part is not None:
                for turn in watch.add(part):
                    _show(turn)
                    if (turn.id, turn.state, turn.at) not in self._told:
                        await self._tell(watch.explained(turn))
            if watch.until is not None:
                metrics.WATERMARK.set(watch.until.timestamp())
            self._handled = record.offset + 1

    async def flush(self) -> None:
        """`write` has waited for everything."""

    async def _tell(self, spike: Spike) -> None:
        value = encode(spike)
        try:
            await self._publisher.publish(
                [Outgoing(self._settings.topics.alerts, spike.key, value, record_ms(spike.at))]
            )
        except Oversize as error:
            raise Refused(f"a spike: {error}: `tagpulse topics check`") from error
        self._told.add((spike.id, spike.state, spike.at))
        metrics.SPIKES.labels(spike.hashtag, spike.kind, spike.state).inc()
        logger.info("spike %s %s at %s: %s", spike.id, spike.state, spike.at, spike.explanation.summary)

    async def _ready(self, offset: int) -> SpikeWatch:
        """The watch as it was before the record at this offset."""
        backoff = Backoff(_MAX_BACKOFF_SECONDS)
        while self._watch is None:
            try:
                self._watch, self._told = await asyncio.to_thread(self._rebuild, offset)
            except Unavailable as error:
                logger.warning("%s; trying again, nothing is lost", error)
                await self._sleep(backoff.next())
        return self._watch

    def _rebuild(self, until: int) -> tuple[SpikeWatch, set[Told]]:
        kafka, topics = self._settings.kafka, self._settings.topics
        with open_reader(kafka) as consumer:
            partitions = [at.partition for at in partitions_of(consumer, topics.enriched)]
        watch = SpikeWatch(partitions, self._sensitivity)
        for record in read_topic(kafka, topics.minutes) if until else ():
            if record.offset >= until:
                break
            try:
                part = decode_minute(record.value)
            except BadMessage:
                continue
            for turn in watch.add(part):
                _show(turn)
        told: set[Told] = set()
        for record in read_topic(kafka, topics.alerts):
            try:
                spike = decode_spike(record.value)
            except BadMessage:
                continue
            told.add((spike.id, spike.state, spike.at))
        return watch, told


def _show(turn: SpikeEvent) -> None:
    metrics.OPEN_SPIKES.labels(turn.hashtag, turn.kind).set(turn.state != "closed")
