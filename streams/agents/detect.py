"""`pulse.minutes` → `alerts.spikes`: merges the parts, detects spikes, explains them and publishes each change once."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from streams import metrics
from streams.agents.decoding import Decoded, decoding
from streams.contracts import PulseMinute, SensitivityName, Spike, decode_minute, decode_spike, encode
from streams.errors import BadMessage, Refused
from streams.kafka.publisher import Outgoing, Oversize, Publisher, record_ms
from streams.kafka.reader import open_reader, partitions_of, read_topic, read_when_available
from streams.minutes.merge import CompleteMinute, Merger
from streams.runtime.lossless import PartitionId
from streams.settings import Settings
from streams.spikes import Detector, SpikeEvent, merge_parts
from streams.spikes.explanation import explain

logger = logging.getLogger(__name__)

WORKER = "watch-spikes"
_BASELINE = timedelta(hours=6)
"""Time before a spike that its explanation compares it with."""
_HISTORY = timedelta(hours=12)

_MessageId = tuple[str, str, datetime]
"""Identifies a message about a spike: the spike's id, the state and the time."""


class SpikeWatch:
    """Derives spikes from the parts of `pulse.minutes`, fed in order."""

    def __init__(self, partitions: Iterable[int], sensitivity: SensitivityName) -> None:
        self._merger = Merger(partitions)
        self._detector = Detector(sensitivity)
        self._sensitivity = sensitivity
        self._history: defaultdict[str, deque[tuple[datetime, bytes]]] = defaultdict(deque)

    @property
    def until(self) -> datetime | None:
        """Event time before which all minutes have been examined."""
        return self._merger.until

    def add(self, part: PulseMinute) -> Iterator[SpikeEvent]:
        """Add the next part and yield the resulting events; pass each to `explained` before requesting the next."""
        for complete in self._merger.add(part):
            self._remember(complete)
            merged = [merge_parts(parts) for hashtag, parts in complete.parts.items() if hashtag != metrics.OTHER]
            yield from self._detector.feed(complete.minute, merged)
        if self._merger.until is not None:
            yield from self._detector.advance(self._merger.until)

    def explained(self, event: SpikeEvent) -> Spike:
        """Return the message about a spike event, with its explanation."""
        minutes = self._history[event.hashtag]
        spike = [decode_minute(value) for minute, value in minutes if event.opened_at <= minute < event.at]
        start = event.opened_at - _BASELINE
        before = [decode_minute(value) for minute, value in minutes if start <= minute < event.opened_at]
        explanation = explain(
            event.kind,
            event.hashtag,
            spike,
            before,
            posts=event.posts,
            negative=event.negative,
            share=event.share,
            baseline=event.baseline,
            rate=event.rate,
            usual_rate=event.usual_rate,
        )
        return event.as_message(self._sensitivity, explanation)

    def _remember(self, complete: CompleteMinute) -> None:
        for hashtag, parts in complete.parts.items():
            minutes = self._history[hashtag]
            minutes.extend((complete.minute, encode(part)) for part in parts)
            while minutes[0][0] < complete.minute - _HISTORY:
                minutes.popleft()


read_minutes = decoding(decode_minute)


class SpikesOutput:
    """Detects spikes in the minutes and publishes each spike event once.

    No state is stored: a worker that takes over reads all minutes from the start and continues at the committed offset.
    Events published between that offset and a crash are already on `alerts.spikes` and are not published again.
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
        self._published: set[_MessageId] = set()
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
        """Do nothing: only the minutes advance event time."""

    async def write(self, result: Sequence[Decoded[PulseMinute]]) -> None:
        """Process minutes; return once Kafka has confirmed the resulting messages.

        Raises:
            Refused: Kafka will never accept a message.
        """
        for record, part in result:
            watch = await self._watch_at(record.offset)
            if part is not None:
                for event in watch.add(part):
                    _update_gauge(event)
                    if (event.id, event.state, event.at) not in self._published:
                        await self._publish(watch.explained(event))
            if watch.until is not None:
                metrics.WATERMARK.set(watch.until.timestamp())
            self._handled = record.offset + 1

    async def flush(self) -> None:
        """Do nothing: `write` has already waited for confirmation."""

    async def _publish(self, spike: Spike) -> None:
        value = encode(spike)
        try:
            await self._publisher.publish(
                [Outgoing(self._settings.topics.alerts, spike.key, value, record_ms(spike.at))]
            )
        except Oversize as error:
            raise Refused(
                f"a spike is too large: {error}; compare the topic settings with `tagpulse topics check`"
            ) from error
        self._published.add((spike.id, spike.state, spike.at))
        metrics.SPIKES.labels(spike.hashtag, spike.kind, spike.state).inc()
        logger.info("spike %s %s at %s: %s", spike.id, spike.state, spike.at, spike.explanation.summary)

    async def _watch_at(self, offset: int) -> SpikeWatch:
        """Return the watch, rebuilt if needed to its state before the record at `offset`."""
        if self._watch is None:
            rebuilt = await read_when_available(lambda: self._rebuild(offset), self._sleep)
            self._watch, self._published = rebuilt
        return self._watch

    def _rebuild(self, until: int) -> tuple[SpikeWatch, set[_MessageId]]:
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
            for event in watch.add(part):
                _update_gauge(event)
        published: set[_MessageId] = set()
        for record in read_topic(kafka, topics.alerts):
            try:
                spike = decode_spike(record.value)
            except BadMessage:
                continue
            published.add((spike.id, spike.state, spike.at))
        return watch, published


def _update_gauge(event: SpikeEvent) -> None:
    metrics.OPEN_SPIKES.labels(event.hashtag, event.kind).set(event.state != "closed")
