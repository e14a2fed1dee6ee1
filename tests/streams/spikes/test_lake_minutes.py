"""`tagpulse spikes --run` finds the same spikes in the lake as the worker did live."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from streams.agents.detect import SpikeWatch
from streams.cli.spikes import find_spikes
from streams.contracts import (
    CampaignScore,
    Deletion,
    EnrichedMessage,
    EnrichedPost,
    Language,
    ModelInfo,
    Sentiment,
    SentimentLabel,
)
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.partition import PartitionMinutes
from streams.minutes.resume_state import ResumeState
from streams.runtime.lossless import Record
from streams.sample_day import END, compose
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake.parquet import ParquetSink
from streams.spikes import SpikeEvent
from streams.spikes.history import read_lake

PARTITIONS = 4
HASHTAGS = ("poltwt", "poltwtfail", "policedog")
_SCORES = {"negative": (0.8, 0.1, 0.1), "neutral": (0.1, 0.8, 0.1)}


def sample_messages() -> list[EnrichedMessage]:
    """The sample day: criticism and complaints are negative."""
    messages: list[EnrichedMessage] = []
    for line in compose():
        if isinstance(line.message, Deletion):
            messages.append(line.message)
            continue
        label: SentimentLabel = "negative" if line.scene in ("criticism", "complaint") else "neutral"
        negative, neutral, positive = _SCORES[label]
        messages.append(
            EnrichedPost(
                post=line.message,
                language=Language(code="en", score=0.9),
                sentiment=Sentiment(label=label, negative=negative, neutral=neutral, positive=positive),
                topics=(),
                campaign=CampaignScore(name=None, score=0.0),
                model=ModelInfo(name="test", version="1"),
                enriched_at=END,
            )
        )
    return messages


def records(messages: Sequence[EnrichedMessage]) -> list[Row]:
    """Return the messages as records, distributed to the partitions by key."""
    offsets: Counter[int] = Counter()
    rows = []
    for message in messages:
        partition = zlib.crc32(message.key) % PARTITIONS
        written = message.post.created_at if isinstance(message, EnrichedPost) else message.deleted_at
        at = int(written.timestamp() * 1000)
        rows.append(Row(Record("posts.enriched", partition, offsets[partition], at, message.key, b"", ()), message))
        offsets[partition] += 1
    return rows


def watched(rows: Sequence[Row], hashtags: Sequence[str]) -> list[SpikeEvent]:
    """Return the last event of each spike, as found by the worker."""
    partitions = [
        PartitionMinutes(
            number, CountedHashtags(hashtags, 20, {}), ResumeState(), lateness_seconds=600, settle_seconds=10
        )
        for number in range(PARTITIONS)
    ]
    watch = SpikeWatch(range(PARTITIONS), "high")
    spikes: dict[str, SpikeEvent] = {}
    published = [
        each
        for record, message in rows
        for each in partitions[record.partition].add(message, record.timestamp_ms, record.offset)[1]
    ]
    published += [each for partition in partitions for each in partition.end()]
    for each in published:
        spikes |= {event.id: event for event in watch.add(each.part)}
    return sorted(spikes.values(), key=lambda spike: (spike.known_at, spike.hashtag, spike.kind))


async def stored(rows: Sequence[Row], lake: Path) -> None:
    sink = ParquetSink(LakeSettings(path=lake), "day")
    await sink.open()
    await sink.write(rows)
    await sink.flush()
    await sink.close()


def ids_and_times(spikes: Sequence[SpikeEvent]) -> list[tuple[object, ...]]:
    return [(spike.id, spike.known_at) for spike in spikes]


async def test_the_lake_has_the_spikes_of_the_day(tmp_path: Path) -> None:
    """Without edits and deletions the figures are the same too; the lake applies those from the start."""
    rows = records(sample_messages())
    as_written = [row for row in rows if isinstance(row.message, EnrichedPost) and row.message.post.edited_at is None]
    await stored(rows, tmp_path / "whole")
    await stored(as_written, tmp_path / "as written")
    live = watched(as_written, HASHTAGS)
    assert {spike.kind for spike in live} == {"negative", "volume"}
    assert found(tmp_path / "as written") == live
    assert ids_and_times(found(tmp_path / "whole")) == ids_and_times(watched(rows, HASHTAGS))


def found(lake: Path) -> list[SpikeEvent]:
    return find_spikes(read_lake(lake, "day", HASHTAGS), "high")
