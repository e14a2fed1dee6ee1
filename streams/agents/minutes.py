"""`posts.enriched` → `pulse.minutes`: counts per minute and hashtag, separately for each partition."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path

from streams import metrics
from streams.agents.decoding import Decoded, decoding
from streams.contracts import EnrichedMessage, EnrichedPost, decode_enriched, encode
from streams.errors import Refused
from streams.kafka.publisher import Outgoing, Oversize, Publisher, record_ms
from streams.kafka.reader import read_topic, read_when_available
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.partition import PartitionMinutes, PublishedPart
from streams.minutes.resume_state import KnownParts
from streams.runtime.lossless import PartitionId
from streams.settings import LIVE, Settings

logger = logging.getLogger(__name__)

WORKER = "watch"


read_enriched = decoding(decode_enriched)


class MinutesOutput:
    """Aggregates the records of each partition and publishes the resulting parts of minutes."""

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
        """Create an output without any partitions.

        Args:
            hashtags: The hashtags of the campaign.
            ends: File that a replay writes once its input is complete, with the end offset of each partition.
        """
        self._publisher = publisher
        self._settings = settings
        self._hashtags = hashtags
        self._ends_path = ends
        self._ends: dict[str, int] | None = None
        self._clock = clock
        self._sleep = sleep
        self._resume_states: KnownParts | None = None
        self._partitions: dict[int, PartitionMinutes] = {}
        self._last_record_at: dict[int, float] = {}
        self._ended: set[int] = set()
        self._sources = metrics.BoundedLabel((), metrics.MAX_SOURCES)
        self._handled: dict[PartitionId, int] = {}

    def restart(self) -> None:
        self._resume_states = None
        self._partitions.clear()
        self._last_record_at.clear()
        self._ended.clear()
        self._handled = {}

    def released(self, place: PartitionId) -> int:
        minutes = self._partitions.get(place[1])
        return minutes.released if minutes else 0

    def handled(self) -> Mapping[PartitionId, int]:
        return dict(self._handled)

    async def write(self, result: Sequence[Decoded[EnrichedMessage]]) -> None:
        """Process records; return once Kafka has confirmed the resulting parts.

        Raises:
            Refused: Kafka will never accept a part.
        """
        to_publish: list[PublishedPart] = []
        for record, message in result:
            minutes = await self._minutes(record.partition)
            self._last_record_at[record.partition] = self._clock()
            self._ended.discard(record.partition)
            if message is None:
                minutes.pass_over(record.offset)
                continue
            outcome, parts = minutes.add(message, record.timestamp_ms, record.offset)
            if outcome == "late" and isinstance(message, EnrichedPost):
                metrics.LATE.labels(self._sources.of(message.post.source)).inc()
            to_publish += parts
        await self._publish(to_publish)
        if result:
            topic = result[0].record.topic
            self._handled |= {(topic, number): minutes.handled for number, minutes in self._partitions.items()}

    async def flush(self) -> None:
        """Do nothing: `write` has already waited for confirmation."""

    async def tick(self, owned: Mapping[PartitionId, bool]) -> None:
        if self._settings.run == LIVE:
            await self._advance_idle(owned)
        elif self._ends_path is not None:
            await self._finish(owned, self._ends_path)

    async def _advance_idle(self, owned: Mapping[PartitionId, bool]) -> None:
        """Advance the event time of idle partitions with the clock, starting from their newest post."""
        to_publish: list[PublishedPart] = []
        for (_, number), all_read in owned.items():
            minutes = await self._minutes(number)
            idle_for = self._clock() - self._last_record_at[number]
            if not all_read or idle_for < self._settings.watch.idle_seconds:
                continue
            if minutes.handled:
                to_publish += minutes.idle(minutes.latest + idle_for)
            elif number not in self._ended:
                self._ended.add(number)
                to_publish.append(minutes.unheard())
        await self._publish(to_publish)

    async def _finish(self, owned: Mapping[PartitionId, bool], path: Path) -> None:
        """Once the input of a replay is complete, finish the partitions that have been read to their ends."""
        if self._ends is None:
            self._ends = await asyncio.to_thread(_read_ends, path)
        to_publish: list[PublishedPart] = []
        for _, number in owned:
            end = (self._ends or {}).get(str(number))
            if end is None or number in self._ended:
                continue
            minutes = await self._minutes(number)
            if minutes.handled >= end or self._is_committed(owned, number):
                self._ended.add(number)
                to_publish += minutes.end()
        await self._publish(to_publish)

    def _is_committed(self, owned: Mapping[PartitionId, bool], number: int) -> bool:
        return not self._partitions[number].handled and owned[self._settings.topics.enriched, number]

    async def _minutes(self, partition: int) -> PartitionMinutes:
        if partition not in self._partitions:
            known = (await self._read_resume_states()).of(partition)
            watch = self._settings.watch
            self._partitions[partition] = PartitionMinutes(
                partition,
                CountedHashtags(self._hashtags, self._settings.metrics.max_hashtags, known.since),
                known,
                lateness_seconds=watch.lateness_seconds,
                settle_seconds=watch.settle_seconds,
            )
            self._last_record_at[partition] = self._clock()
        return self._partitions[partition]

    async def _read_resume_states(self) -> KnownParts:
        """Return the state of earlier workers, read from `pulse.minutes` once after each rebalance."""
        if self._resume_states is None:
            self._resume_states = await read_when_available(lambda: _known_parts(self._settings), self._sleep)
        return self._resume_states

    async def _publish(self, to_publish: Sequence[PublishedPart]) -> None:
        if not to_publish:
            return
        topic = self._settings.topics.minutes
        records = [
            Outgoing(topic, each.part.key, encode(each.part), record_ms(each.part.minute)) for each in to_publish
        ]
        try:
            await self._publisher.publish(records)
        except Oversize as error:
            raise Refused(
                f"a minute is too large: {error}; compare the topic settings with `tagpulse topics check`"
            ) from error
        for state, count in Counter(each.state for each in to_publish).items():
            metrics.MINUTES.labels(state).inc(count)


def _read_ends(path: Path) -> dict[str, int] | None:
    return json.loads(path.read_bytes()) if path.exists() else None


def _known_parts(settings: Settings) -> KnownParts:
    known = KnownParts()
    for record in read_topic(settings.kafka, settings.topics.minutes):
        known.add(record.value)
    return known
