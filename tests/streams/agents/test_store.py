"""A store worker waits for an unavailable sink and turns unreadable records into dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Self

from streams import metrics
from streams.agents.store import Store
from streams.contracts import DeadLetter, encode
from streams.errors import Unavailable
from streams.kafka import topics
from streams.kafka.publisher import Publisher
from streams.processes.broker import Broker
from streams.runtime.lossless import Record
from streams.settings import Settings
from streams.sinks.base import BadRow, Flushed, Row, Sink
from tests.conftest import SettingsFactory
from tests.helpers.letters import dead_letters_of
from tests.helpers.records import read_all
from tests.helpers.rows import enriched

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


class Flaky(Sink):
    """A sink that is unavailable for the first calls of each method."""

    name: ClassVar[str] = "flaky"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(0)

    def __init__(self, away: int) -> None:
        self.rows: list[Row] = []
        self._away = dict.fromkeys(("open", "write", "flush"), away)

    async def open(self) -> None:
        self._fail("open")

    async def write(self, rows: Sequence[Row]) -> None:
        self._fail("write")
        self.rows += rows

    async def flush(self) -> Flushed:
        self._fail("flush")
        return Flushed(len(self.rows), [BadRow(row, "too odd") for row in self.rows if row.message.key == b"test:odd"])

    async def close(self) -> None:
        self.rows.clear()

    def _fail(self, call: str) -> None:
        if self._away[call]:
            self._away[call] -= 1
            raise Unavailable(f"{call}: the disk is full")


async def test_an_unavailable_sink_is_waited_for(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    slept: list[float] = []

    def away() -> float | None:
        return metrics.REGISTRY.get_sample_value("tagpulse_sink_unavailable", {"sink": "flaky"})

    async def sleep(seconds: float) -> None:
        assert store.is_waiting
        assert away() == 1
        slept.append(seconds)

    sink = Flaky(away=5)
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    store = Store(sink, publisher, settings, lambda: NOW, sleep)
    post = enriched("a")
    good = Record(settings.topics.enriched, 0, 0, 1_000, post.key, encode(post), ())
    bad = Record(settings.topics.enriched, 0, 1, 1_000, b"bad", b"\x00", ())

    assert away() == 0
    await store.open()
    await store.write(await store.process([good, bad]))
    await store.flush()
    await publisher.close()

    assert [row.record for row in sink.rows] == [good]
    assert len(slept) == 15
    assert slept[4] > slept[0], "the pauses grow"
    assert not store.is_waiting
    assert away() == 0
    (letter,) = read_all(settings.kafka, settings.topics.dead)
    assert (letter.key, b'"reason":"malformed"' in letter.value) == (b"bad", True)


async def test_unreadable_records_keep_their_place(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    store = Store(Flaky(0), Publisher(settings.kafka, "test", settings.topics.limits), settings, lambda: NOW)
    (letter,) = await store.process([Record("posts.enriched", 3, 41, 1_000, None, None, ())])
    assert isinstance(letter, DeadLetter)
    assert letter.origin == "posts.enriched[3]@41"


async def test_a_row_that_a_sink_refuses_becomes_a_dead_letter_and_stops_nothing(
    embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    sink, publisher = Flaky(0), Publisher(settings.kafka, "test", settings.topics.limits)
    store = Store(sink, publisher, settings, lambda: NOW)
    records = [
        Record(settings.topics.enriched, 1, offset, 1_000, post.key, encode(post), ())
        for offset, post in enumerate([enriched("odd"), enriched("even")])
    ]
    await store.write(await store.process(records))
    await store.flush()
    await publisher.close()
    (letter,) = dead_letters_of(read_all(settings.kafka, settings.topics.dead))
    assert (letter.reason, letter.error, letter.value) == ("sink_refused", "too odd", records[0].value)
    assert letter.origin == records[0].location
