"""No record ends a worker or a command, whatever it contains: it is handled or becomes a dead letter that says why."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka.consumer.fetcher import ConsumerRecord
from pydantic import SecretStr

from streams import metrics
from streams.agents.detect import SpikeWatch, read_minutes
from streams.agents.enrich import Enrich, EnrichedOutput
from streams.agents.minutes import read_enriched
from streams.agents.store import Store
from streams.agents.store_spikes import StoreSpikes
from streams.cli import dead_view, tail
from streams.contracts import (
    REASONS,
    DeadLetter,
    Spike,
    decode_dead,
    decode_enriched,
    decode_minute,
    decode_spike,
    encode,
    origin_of,
    parse_location,
)
from streams.dead_letters.outcomes import RecordContent, drop_obstacle, retry, retry_obstacle
from streams.dead_letters.reader import FoundLetter, LetterFilter
from streams.delivery.alertmanager import alert_of
from streams.delivery.notice import notice_of
from streams.delivery.templates import render
from streams.demo.tally import Tally
from streams.errors import BadMessage
from streams.kafka.publisher import Outgoing, record_ms
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.partition import PartitionMinutes
from streams.minutes.resume_state import KnownParts, ResumeState
from streams.replay.selection import Selection, Selector, hashtags_of
from streams.runtime.lossless import Record
from streams.settings import AlertsSettings, LakeSettings, PostgresSettings, Settings, WorkerSettings
from streams.sinks.base import Sink
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.postgres.sink import PostgresSink
from tests.helpers.any_record import KINDS, NOW, records
from tests.helpers.scripted_model import ScriptedEnricher

# every record of a batch may fail here
SETTINGS = Settings(worker=WorkerSettings(dead_share=1.0))
TOPICS = SETTINGS.topics
ALERTS = AlertsSettings(dashboard_url="https://grafana.example/d/mood")
many = settings(max_examples=80, suppress_health_check=list(HealthCheck))


class Sent:
    """A publisher that packs its records as Kafka's client does."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            _pack(record.key, record.value, record.headers, record.timestamp_ms)
        self.records += records


def _pack(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], timestamp_ms: int
) -> None:
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 10**9)
    assert batch.append(0, timestamp_ms, key, value, headers) is not None


def _letters(sent: Sent) -> list[DeadLetter]:
    letters = [decode_dead(record.value) for record in sent.records if record.topic == TOPICS.dead]
    found = [letter for letter in letters if isinstance(letter, DeadLetter)]
    assert all(letter.reason in REASONS and letter.error for letter in found)
    return found


@many
@given(st.lists(records(TOPICS.raw, "post", "deletion"), max_size=8))
def test_enrich(given_records: list[Record]) -> None:
    async def run() -> Sent:
        sent = Sent()
        output = EnrichedOutput(sent, TOPICS, metrics.BoundedLabel((), 10))  # type: ignore[arg-type]
        await output.write(await Enrich(ScriptedEnricher({}), SETTINGS).process(given_records))
        return sent

    sent = asyncio.run(run())
    assert len(sent.records) == len(given_records)
    for record in sent.records:
        if record.topic == TOPICS.enriched:
            decode_enriched(record.value, record.headers)
    _letters(sent)


def _stored(sink: Sink, given_records: list[Record], spikes: list[Record]) -> None:
    async def run() -> None:
        sent = Sent()
        await sink.open()
        store = Store(sink, sent, SETTINGS)  # type: ignore[arg-type]
        rows = await store.process(given_records)
        await store.write(rows)
        await store.flush()
        spike_store = StoreSpikes(sink, sent, SETTINGS, part="-spikes")  # type: ignore[arg-type]
        await spike_store.write(await spike_store.read(spikes))
        unread = sum(isinstance(row, DeadLetter) for row in rows)
        assert len(_letters(sent)) >= unread
        await sink.close()

    asyncio.run(run())


@many
@given(
    st.lists(records(TOPICS.enriched, "enriched_post", "deletion"), max_size=8),
    st.lists(records(TOPICS.alerts, "spike"), max_size=4),
)
def test_store_in_a_lake(given_records: list[Record], spikes: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as lake:
        _stored(ParquetSink(LakeSettings(path=Path(lake))), given_records, spikes)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    given_records=st.lists(records(TOPICS.enriched, "enriched_post", "deletion"), max_size=8),
    spikes=st.lists(records(TOPICS.alerts, "spike"), max_size=4),
)
def test_store_in_postgres(dsn: str, given_records: list[Record], spikes: list[Record]) -> None:
    _stored(PostgresSink(PostgresSettings(dsn=SecretStr(dsn))), given_records, spikes)


@many
@given(
    st.lists(records(TOPICS.enriched, "enriched_post", "deletion"), max_size=20),
    st.lists(records(TOPICS.minutes, "pulse_minute"), max_size=8),
)
def test_watch(posts: list[Record], minutes: list[Record]) -> None:
    """Turn posts into minutes, mix in arbitrary minutes, and notify of the spikes."""
    partition = PartitionMinutes(0, CountedHashtags((), 10, {}), ResumeState(), lateness_seconds=600, settle_seconds=10)
    watch = SpikeWatch([0, 1], "middle")
    known = KnownParts()
    published = []
    for read in asyncio.run(read_enriched(posts)):
        if read.message is None:
            partition.pass_over(read.record.offset)
        else:
            published += partition.add(read.message, read.record.timestamp_ms, read.record.offset)[1]
    published += partition.idle(partition.latest + 3_600) + partition.end()
    parts = [decode_minute(encode(each.part)) for each in published]
    parts += [read.message for read in asyncio.run(read_minutes(minutes)) if read.message is not None]
    for record in minutes:
        known.add(record.value)
    for part in parts:
        assert record_ms(part.minute) >= 0
        known.add(encode(part))
        for change in watch.add(part):
            _notify(watch.explained(change))


def _notify(spike: Spike) -> None:
    assert record_ms(spike.at) >= 0
    notice = notice_of(spike, "live", ALERTS)
    alert_of(spike, notice, "live", NOW, 60.0)
    for form in ("json", "slack", "teams"):
        render(form, notice, spike, "live", test=False)


@many
@given(records(TOPICS.alerts, "spike"))
def test_what_is_published_about_a_spike(record: Record) -> None:
    try:
        spike = decode_spike(record.value, record.headers)
    except BadMessage:
        return
    _notify(spike)


class _Kafka:
    async def partition_of(self, letter: DeadLetter) -> int:
        return 0

    async def send(self, topic: str, partition: int, record: RecordContent) -> int:
        _pack(record.key, record.value, list(record.headers), record.timestamp_ms)
        return 0


@many
@given(records(TOPICS.dead, "dead_letter", "dead_letter_outcome"))
def test_dead_letters(record: Record) -> None:
    try:
        letter = decode_dead(record.value, record.headers)
    except BadMessage:
        return
    if not isinstance(letter, DeadLetter):
        return
    found = FoundLetter(topic=record.topic, partition=record.partition, offset=record.offset, letter=letter)
    LetterFilter(since=NOW).matches(found)
    dead_view.as_detail(found)
    dead_view.as_object(found, whole=True)
    drop_obstacle(found)
    retry_obstacle(found, max_attempts=5, targets={TOPICS.raw: frozenset([0])})

    async def run() -> None:
        async for done in retry([found], _Kafka(), lambda _: None, rate=1e9):
            dead_view.done_line(done)
            dead_view.done_object(done)

    asyncio.run(run())


@many
@given(records(TOPICS.raw, "post", "deletion"))
def test_tail_and_demo(record: Record) -> None:
    shown = ConsumerRecord(
        record.topic,
        record.partition,
        0,
        record.offset,
        record.timestamp_ms,
        0,
        record.key,
        record.value,
        list(record.headers),
        None,
        0,
        0,
        0,
    )
    assert "\n" not in tail.as_line(shown)
    assert "\n" not in tail.as_object(shown)
    tally = Tally(NOW, NOW)
    tally.add_raw(record.topic, record.partition, record.offset, record.value, record.headers)
    for add in (tally.add_enriched, tally.add_dead):
        with contextlib.suppress(BadMessage):
            add(record.value, record.headers)


@many
@given(records(TOPICS.raw, "post", "deletion"))
def test_replay(record: Record) -> None:
    selector = Selector(Selection(since=NOW, hashtags=frozenset(["poltwt"])))
    selector.chooses(record)
    hashtags_of(record.value)
    origin = origin_of(record.headers)
    if origin is not None:
        topic, partition, offset = parse_location(origin)
        assert -(10**19) < partition < 10**19 > offset
        assert topic


def test_every_kind_of_record_is_generated() -> None:
    assert set(KINDS) >= {"post", "deletion", "enriched_post", "dead_letter", "pulse_minute", "spike"}


@pytest.mark.parametrize("attempts", [b"9" * 5_000, "²".encode(), b"-1", b"x", b""])
def test_attempts_that_are_not_a_number_count_as_none(attempts: bytes) -> None:
    record = Record(TOPICS.raw, 0, 1, 0, None, b"{", [("tagpulse-attempts", attempts)])
    (handled,) = asyncio.run(Enrich(ScriptedEnricher({}), SETTINGS).process([record]))
    assert isinstance(handled.result, DeadLetter)
    assert handled.result.attempts == 1
