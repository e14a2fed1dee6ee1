"""`posts.enriched` → `pulse.minutes`: the minutes of each hashtag, as far as each partition holds them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams import metrics
from streams.backoff import Backoff
from streams.contracts import EnrichedMessage, EnrichedPost, decode_enriched, encode
from streams.errors import BadMessage, Refused, Unavailable
from streams.kafka.publisher import Outgoing, Oversize, Publisher, record_ms
from streams.kafka.reader import read_topic
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.partition import PartitionMinutes, PublishedPart
from streams.minutes.resume_state import KnownParts
from streams.runtime.lossless import PartitionId, Record
from streams.settings import LIVE, Settings

logger = logging.getLogger(__name__)

WORKER = "watch"
_MAX_BACKOFF_SECONDS = 15.0


class ReadPost(NamedTuple):
    """A record and its message; None when it cannot be read: the store workers bury it."""

    record: Record
    message: EnrichedMessage | None


async def read_enriched(records: Sequence[Record]) -> list[ReadPost]:
    """Decodes records, in their order."""
    read = []
    for record in records:
        try:
            read.append(ReadPost(record, decode_enriched(record.value, record.headers)))
        except BadMessage as error:
            logger.warning("%s is passed over: %s", record.location, error)
            metrics.UNREADABLE.labels(record.topic).inc()
            read.append(ReadPost(record, None))
    return read


class MinutesOutput:
    """Folds the records of each partition, and writes the parts that this makes known."""

    def __init__(
        self,
        publisher: Publisher,
        settings: Settings,
        hashtags: Collection[str],
        *,
        ends: Path | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`hashtags`: those of the campaign. `ends`: a file that a replay writes when its input is complete, with the end
        of each partition."""
        self._publisher = publisher
        self._settings = settings
        self._hashtags = hashtags
        self._ends_path = ends
        self._ends: dict[str, int] | None = None
        self._clock = clock
        self._sleep = sleep
        self._known: KnownParts | None = None
        self._partitions: dict[int, PartitionMinutes] = {}
        self._heard: dict[int, float] = {}
        self._ended: set[int] = set()
        self._sources = metrics.BoundedLabel((), metrics.MAX_SOURCES)
        self._handled: dict[PartitionId, int] = {}

    def restart(self) -> None:
        self._known = None
        self._partitions.clear()
        self._heard.clear()
        self._ended.clear()
        self._handled = {}

    def released(self, place: PartitionId) -> int:
        minutes = self._partitions.get(place[1])
        return minutes.released if minutes else 0

    def handled(self) -> Mapping[PartitionId, int]:
        return dict(self._handled)

    async def write(self, result: Sequence[ReadPost]) -> None:
        """Returns when Kafka has confirmed every part that these records make known. Raises Refused."""
        told: list[PublishedPart] = []
        for record, message in result:
            minutes = await self._minutes(record.partition)
            self._heard[record.partition] = self._clock()
            self._ended.discard(record.partition)
            if message is None:
                minutes.pass_over(record.offset)
                continue
            outcome, parts = minutes.add(message, record.timestamp_ms, record.offset)
            if outcome == "late" and isinstance(message, EnrichedPost):
                metrics.LATE.labels(self._sources.of(message.post.source)).inc()
            told += parts
        await self._tell(told)
        if result:
            topic = result[0].record.topic
            self._handled |= {(topic, number): minutes.handled for number, minutes in self._partitions.items()}

    async def flush(self) -> None:
        """`write` has waited for everything."""

    async def tick(self, owned: Mapping[PartitionId, bool]) -> None:
        if self._settings.run == LIVE:
            await self._go_on(owned)
        elif self._ends_path is not None:
            await self._end(owned, self._ends_path)

    async def _go_on(self, owned: Mapping[PartitionId, bool]) -> None:
        """Partitions in which nothing comes go on with the clock, from their newest post on."""
        told: list[PublishedPart] = []
        for (_, number), read_up in owned.items():
            minutes = await self._minutes(number)
            silent = self._clock() - self._heard[number]
            if not read_up or silent < self._settings.watch.idle_seconds:
                continue
            if minutes.handled:
                told += minutes.idle(minutes.latest + silent)
            elif number not in self._ended:
                self._ended.add(number)
                told.append(minutes.unheard())
        await self._tell(told)

    async def _end(self, owned: Mapping[PartitionId, bool], path: Path) -> None:
        """The input of a replay is complete: partitions that have been read to their ends are final."""
        if self._ends is None:
            self._ends = await asyncio.to_thread(_read_ends, path)
        told: list[PublishedPart] = []
        for _, number in owned:
            end = (self._ends or {}).get(str(number))
            if end is None or number in self._ended:
                continue
            minutes = await self._minutes(number)
            if minutes.handled >= end or self._is_committed(owned, number):
                self._ended.add(number)
                told += minutes.end()
        await self._tell(told)

    def _is_committed(self, owned: Mapping[PartitionId, bool], number: int) -> bool:
        return not self._partitions[number].handled and owned[self._settings.topics.enriched, number]

    async def _minutes(self, partition: int) -> PartitionMinutes:
        if partition not in self._partitions:
            known = (await self._read_known()).of(partition)
            watch = self._settings.watch
            self._partitions[partition] = PartitionMinutes(
                partition,
                CountedHashtags(self._hashtags, self._settings.metrics.max_hashtags, known.since),
                known,
                lateness_seconds=watch.lateness_seconds,
                settle_seconds=watch.settle_seconds,
            )
            self._heard[partition] = self._clock()
        return self._partitions[partition]

    async def _read_known(self) -> KnownParts:
        """What was written before this worker came, read once after each time the partitions were dealt."""
        backoff = Backoff(_MAX_BACKOFF_SECONDS)
        while self._known is None:
            try:
                self._known = await asyncio.to_thread(_known_parts, self._settings)
            except Unavailable as error:
                logger.warning("%s; trying again, nothing is lost", error)
                await self._sleep(backoff.next())
        return self._known

    async def _tell(self, told: Sequence[PublishedPart]) -> None:
        if not told:
            return
        topic = self._settings.topics.minutes
        records = [Outgoing(topic, each.part.key, encode(each.part), record_ms(each.part.minute)) for each in told]
        try:
            await self._publisher.publish(records)
        except Oversize as error:
            raise Refused(f"a minute: {error}: `tagpulse topics check`") from error
        for state, count in Counter(each.state for each in told).items():
            metrics.MINUTES.labels(state).inc(count)


def _read_ends(path: Path) -> dict[str, int] | None:
    return json.loads(path.read_bytes()) if path.exists() else None


def _known_parts(settings: Settings) -> KnownParts:
    known = KnownParts()
    for record in read_topic(settings.kafka, settings.topics.minutes):
        known.add(record.value)
    return known
