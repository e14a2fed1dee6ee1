"""The output of the watch worker with a fake clock: idle partitions, the end of a replay, and resuming."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams import metrics
from streams.agents import minutes
from streams.agents.decoding import Decoded
from streams.agents.minutes import MinutesOutput, read_enriched
from streams.contracts import END_OF_INPUT, EnrichedMessage, PulseMinute, decode_minute, encode
from streams.kafka.publisher import Outgoing
from streams.minutes.resume_state import KnownParts
from streams.runtime.lossless import Record
from streams.settings import Settings
from tests.helpers.minutes import START, enriched
from tests.helpers.scrapes import value_of

TOPIC = Settings().topics.enriched
START_SECONDS = START.timestamp()


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Sent:
    """A publisher that keeps the records that it is given."""

    def __init__(self) -> None:
        self.parts: list[PulseMinute] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self.parts += [decode_minute(record.value) for record in records]

    def take(self) -> list[tuple[int, str, int]]:
        """Return the minute, hashtag and posts of each part since the last call."""
        parts, self.parts = self.parts, []
        return [(round((p.minute.timestamp() - START_SECONDS) / 60), p.hashtag, p.sentiments.posts) for p in parts]


@pytest.fixture(autouse=True)
def topic(monkeypatch: pytest.MonkeyPatch) -> list[PulseMinute]:
    """The parts that are on `pulse.minutes` when a worker starts."""
    parts: list[PulseMinute] = []

    def known(_: Settings) -> KnownParts:
        found = KnownParts()
        for part in parts:
            found.add(encode(part))
        return found

    monkeypatch.setattr(minutes, "_known_parts", known)
    return parts


def made(sent: Sent, clock: Clock, **changes: Any) -> MinutesOutput:
    run = changes.pop("run", "live")
    return MinutesOutput(sent, Settings(run=run), ("poltwt",), clock=clock, **changes)  # type: ignore[arg-type]


def read(partition: int, offset: int, seconds: float) -> Decoded[EnrichedMessage]:
    post = enriched(f"{partition}-{offset}", seconds)
    return Decoded(Record(TOPIC, partition, offset, 0, post.key, None, ()), post)


async def test_an_idle_partition_advances_with_the_clock_once_everything_is_read() -> None:
    sent, clock = Sent(), Clock()
    output = made(sent, clock)
    await output.write([read(0, 0, 30)])
    assert sent.take() == [(-1, "other", 0)]
    clock.now += 59
    await output.tick({(TOPIC, 0): True})
    assert sent.take() == [], "it has not been idle for long enough"
    clock.now += 30
    await output.tick({(TOPIC, 0): False})
    assert sent.take() == [], "some records have not been read yet"
    await output.tick({(TOPIC, 0): True})
    assert sent.take() == [(0, "poltwt", 1)]
    assert output.released((TOPIC, 0)) == 0, "idle time makes nothing final"


async def test_a_partition_without_records_holds_nothing_back() -> None:
    sent, clock = Sent(), Clock()
    output = made(sent, clock)
    await output.tick({(TOPIC, 3): True})
    assert sent.parts == []
    clock.now += 61
    for _ in range(3):
        await output.tick({(TOPIC, 3): True})
    (part,) = sent.parts
    assert (part.partition, part.watermark) == (3, END_OF_INPUT)


async def test_a_replay_is_final_when_its_input_was_read_to_the_end(tmp_path: Path) -> None:
    sent, clock, ends = Sent(), Clock(), tmp_path / "ends.json"
    output = made(sent, clock, run="again", ends=ends)
    await output.write([read(0, 0, 30), read(1, 0, 40)])
    sent.take()
    clock.now += 10_000
    owned = {(TOPIC, 0): False, (TOPIC, 1): False}
    await output.tick(owned)
    assert sent.take() == [], "the clock does nothing in a replay"
    ends.write_text(json.dumps({"0": 1, "1": 2}))
    await output.tick(owned)
    assert sent.take() == [(0, "poltwt", 1)]
    assert (output.released((TOPIC, 0)), output.released((TOPIC, 1))) == (1, 0)
    await output.write([read(1, 1, 50)])
    await output.tick(owned)
    assert sent.take() == [(0, "poltwt", 2)]
    assert output.released((TOPIC, 1)) == 2


async def test_what_is_final_on_the_topic_is_not_written_again(topic: list[PulseMinute]) -> None:
    sent, clock = Sent(), Clock()
    first = made(sent, clock)
    await first.write([read(0, 0, 30), read(0, 1, 35), read(0, 2, 30 + 3_600)])
    assert first.released((TOPIC, 0)) == 2
    topic += sent.parts
    sent.take()
    second = made(sent, clock)
    # both were acknowledged but only one committed, so the other is read again
    await second.write([read(0, 1, 35), read(0, 2, 30 + 3_600), read(0, 3, 100 + 3_600)])
    assert sent.take() == [(59, "other", 0), (60, "poltwt", 1)]
    second.restart()
    topic.clear()
    await second.write([read(0, 0, 30)])
    assert dict(second.handled()) == {(TOPIC, 0): 1}


async def test_an_unreadable_record_is_skipped() -> None:
    sent = Sent()
    output = made(sent, Clock())
    await output.write(await read_enriched([Record(TOPIC, 0, 7, 0, None, b"{", ())]))
    assert (output.released((TOPIC, 0)), sent.parts) == (8, [])


async def test_a_post_after_its_minute_was_final_is_counted_as_late_and_changes_nothing() -> None:
    sent = Sent()
    output = made(sent, Clock())
    late = metrics.LATE.labels("test")
    before = value_of(late)
    await output.write([read(0, 0, 30), read(0, 1, 30 + 3_600)])
    sent.take()
    await output.write([read(0, 2, 40), read(0, 3, 50 + 3_600)])
    assert (value_of(late) - before, sent.take()) == (1, [])
