"""From a source to real brokers: every post arrives once and in order, despite outages, before its cursor is saved."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.future import Future

from streams import metrics
from streams.contracts import HEADERS, Deletion, Post, decode_raw
from streams.errors import Refused, SettingsError, Unavailable
from streams.kafka import topics
from streams.kafka.kafka_python_internals import discard
from streams.processes.broker import ApacheBroker, Broker, free_port
from streams.produce import Produce, ProduceSummary
from streams.settings import Settings
from streams.sources.base import Batch, Content, Source, Unreadable
from streams.sources.cursors import Cursor
from streams.sources.files.source import FileSource
from tests.conftest import SettingsFactory
from tests.helpers import records
from tests.helpers.brokers import own_settings
from tests.helpers.feeds import counted
from tests.helpers.letters import dead_letters_of
from tests.helpers.processes import eventually, wait_until
from tests.helpers.scrapes import value_of

# kafka-python forgets the sockets of connections that were refused
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
KEYS = 50
_ENDED_SECONDS = 10.0


@pytest.fixture(autouse=True)
def _forget_sockets() -> Iterator[None]:
    yield
    gc.collect()


def post(number: int, post_id: str | None = None, text: str = "") -> Post:
    created_at = BEGIN + timedelta(seconds=number)
    return Post(source="test", id=post_id or f"p{number}", text=text or f"text {number}", created_at=created_at)


class Given(Source):
    """A live source for tests that yields the given batches with their numbers as cursors and then waits."""

    name = "given"

    def __init__(self, batches: list[list[Content]], *, ends: bool = False) -> None:
        self._batches = batches
        self._ends = ends
        self.asked = 0

    async def batches(self) -> AsyncIterator[Batch]:
        for number, contents in enumerate(self._batches, 1):
            self.asked = number
            yield Batch(contents, str(number))
        if not self._ends:
            await asyncio.Event().wait()


def versions(count: int, size: int = 100) -> list[list[Content]]:
    """Return batches of posts that reuse a few keys; the text of each post is its number."""
    posts = [post(number, f"k{number % KEYS}", f"{number}") for number in range(count)]
    return [list(posts[at : at + size]) for at in range(0, count, size)]


def assert_in_order(settings: Settings, count: int, *, twice_allowed: bool = False) -> int:
    """Assert that every version has arrived, in order for each key; return the number of duplicate records."""
    found: dict[str, list[int]] = defaultdict(list)
    read = records.read_all(settings.kafka, settings.topics.raw)
    for record in read:
        message = decode_raw(record.value, record.headers)
        assert isinstance(message, Post)
        found[message.id].append(int(message.text))
    assert {number for numbers in found.values() for number in numbers} == set(range(count))
    for numbers in found.values():
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == sorted(first_seen)
        assert numbers[-1] == max(numbers)
        if not twice_allowed:
            assert len(numbers) == len(set(numbers))
    return len(read) - count


async def test_every_post_arrives_once_with_key_time_and_headers(settings: Settings, tmp_path: Path) -> None:
    topics.create(settings)
    path = tmp_path / "day.jsonl.gz"
    future = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    lines = [
        {"source": "a", "id": "1", "text": "#Hi", "created_at": "2013-04-15T14:00:00Z"},
        {"source": "a", "id": "2", "text": "ahead", "created_at": future},
        {"type": "deletion", "source": "a", "id": "1", "deleted_at": "2013-04-16T14:00:00Z"},
        {
            "source": "a",
            "id": "3",
            "text": "x",
            "created_at": "2013-04-15T14:00:00Z",
            "collected_at": "2013-05-01T00:00:00Z",
        },
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    before = datetime.now(UTC)
    summary = await Produce(FileSource([str(path)], max_line_bytes=1_000), settings).run()
    assert (summary.read, summary.sent, summary.dead, summary.malformed, summary.stopped) == (4, 3, 1, 1, False)
    found = records.by_key(records.read_all(settings.kafka, settings.topics.raw))
    assert set(found) == {b"a:1", b"a:3"}
    first, deletion = found[b"a:1"]
    assert first.headers == list(HEADERS)
    assert first.timestamp == 1_366_034_400_000
    message = decode_raw(first.value, first.headers)
    assert isinstance(message, Post)
    assert message.hashtags == ("hi",)
    assert message.collected_at is not None
    assert before <= message.collected_at <= datetime.now(UTC)
    assert isinstance(decode_raw(deletion.value), Deletion)
    (letter,) = dead_letters_of(records.read_all(settings.kafka, settings.topics.dead))
    assert (letter.reason, letter.error) == ("invalid", f"created_at is in the future: {future}")
    assert decode_raw(found[b"a:3"][0].value).collected_at == datetime(2013, 5, 1, tzinfo=UTC)  # type: ignore[union-attr]


async def test_posts_that_share_an_id_are_reported(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    before = counted(metrics.SHARED_IDS, "given")
    rounded = [post(1, "3.96E+17", "one"), post(2, "3.96E+17", "two"), post(3, "3.96E+17", "two"), post(4)]
    summary = await Produce(Given([list(rounded)], ends=True), settings).run()
    assert (summary.sent, summary.repeated_ids) == (4, 1)
    assert counted(metrics.SHARED_IDS, "given") == before + 1


async def test_what_cannot_be_read_or_is_too_large_goes_to_the_dead_letters(
    broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(broker, topics={"max_message_bytes": 20_000})
    topics.create(settings)
    random_text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_500))
    contents: list[Content] = [
        post(1),
        Unreadable("file:day.jsonl", 7, b"\xff{", "malformed", "no JSON"),
        post(2, text=random_text),
        post(4, text=random_text * 10),
        post(3),
    ]
    summary = await Produce(Given([contents], ends=True), settings).run()
    assert (summary.read, summary.sent, summary.dead, summary.malformed) == (5, 2, 3, 1)
    assert set(records.by_key(records.read_all(settings.kafka, settings.topics.raw))) == {b"test:p1", b"test:p3"}
    dead = dead_letters_of(records.read_all(settings.kafka, settings.topics.dead))
    unreadable, oversize, cut = sorted(dead, key=lambda letter: (letter.reason, letter.key or b""))
    assert (unreadable.origin, unreadable.value, unreadable.error) == ("file:day.jsonl[0]@7", b"\xff{", "no JSON")
    assert (oversize.reason, oversize.key) == ("oversize", b"test:p2")
    kept = decode_raw(oversize.value)
    assert isinstance(kept, Post)
    assert kept.text == random_text
    assert (cut.reason, cut.key) == ("oversize", b"test:p4")
    assert "; cut to the first 23856 of " in cut.error
    assert cut.value is not None
    assert len(cut.value) == 23_856


async def test_a_topic_with_a_lower_limit_than_the_settings_rejects_only_the_large_post(
    apache_broker: Broker, settings_for: SettingsFactory
) -> None:
    small = settings_for(apache_broker, topics={"max_message_bytes": 20_000})
    topics.create(small)
    settings = small.model_copy(update={"topics": small.topics.model_copy(update={"max_message_bytes": 1_000_000})})
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=25_000))
    batches = versions(400)
    batches[2].insert(50, post(0, "big", noise))
    summary = await Produce(Given(batches, ends=True), settings).run()
    assert (summary.sent, summary.dead) == (400, 1)
    assert_in_order(settings, 400, twice_allowed=True)
    (dead,) = records.read_all(settings.kafka, settings.topics.dead)
    (letter,) = dead_letters_of([dead])
    assert (letter.reason, dead.key) == ("oversize", b"test:big")


async def test_a_missing_topic_is_reported_at_once(settings: Settings) -> None:
    start = asyncio.get_running_loop().time()
    with pytest.raises(SettingsError, match=f"no topic {settings.topics.raw} .*run `tagpulse topics create`"):
        await Produce(Given([[post(1)]]), settings).run()
    assert asyncio.get_running_loop().time() - start < 10


async def test_an_unreachable_broker_is_reported_at_once(tmp_path: Path) -> None:
    settings = own_settings(f"127.0.0.1:{free_port()}", tmp_path)
    with pytest.raises(Unavailable, match="nothing listens there"):
        await Produce(Given([[post(1)]]), settings).run()


async def test_the_cursor_is_saved_only_when_everything_before_it_is_confirmed(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(fresh_embedded_broker, produce={"cursor_seconds": 0.1})
    topics.create(settings)
    source = Given([[post(1)], [post(2)]])
    released = asyncio.Event()
    gated = _gate(source, released)
    with closing(Cursor(settings.produce.state_path, "given", "x")) as cursor:
        run = Produce(gated, settings, cursor=cursor)
        running = asyncio.create_task(run.run())
        await eventually(lambda: cursor.load() == "1", what="the first cursor")
        fresh_embedded_broker.suspend()
        released.set()
        await eventually(lambda: run.summary.read == 2, what="the second post is sent")
        later = run.summary.seconds + 20 * settings.produce.cursor_seconds
        await eventually(lambda: run.summary.seconds > later, what="the cursor was due again and again")
        assert cursor.load() == "1"
        fresh_embedded_broker.resume()
        await eventually(lambda: cursor.load() == "2", what="the second cursor")
        run.stop()
        summary = await asyncio.wait_for(running, 5)
    assert (summary.sent, summary.stopped, summary.unconfirmed) == (2, True, 0)


def _gate(source: Given, released: asyncio.Event) -> Source:
    class Gated(Source):
        name = "given"

        async def batches(self) -> AsyncIterator[Batch]:
            async for batch in source.batches():
                yield batch
                await released.wait()

    return Gated()


async def _outage(broker: ApacheBroker, how: str, seconds: float) -> None:
    if how == "freeze":
        broker.suspend()
        await asyncio.sleep(seconds)
        broker.resume()
        return
    await asyncio.to_thread(broker.stop)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(broker.start)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "freeze"])
async def test_an_outage_is_waited_out_in_order(
    how: str, fresh_apache_broker: ApacheBroker, settings_for: SettingsFactory, caplog: pytest.LogCaptureFixture
) -> None:
    # the outage is longer than the request timeout and than every wait of the producer
    settings = settings_for(
        fresh_apache_broker, kafka={"request_timeout_seconds": 2}, produce={"max_in_flight": 500, "linger_ms": 5}
    )
    topics.create(settings)
    count = 20_000
    source = Given(versions(count), ends=True)
    run = Produce(source, settings)
    running = asyncio.create_task(run.run())
    await eventually(lambda: run.summary.sent > 1_000, what="posts are flowing")
    outage = asyncio.create_task(_outage(fresh_apache_broker, how, 7))
    await eventually(lambda: value_of(metrics.BROKER_AWAY) == 1, what="the outage is seen")
    asked = source.asked
    assert asked * 100 <= run.summary.sent + 500 + 300, "the source waits"
    await outage
    summary: ProduceSummary = await asyncio.wait_for(running, 60)
    assert summary.sent == count
    assert value_of(metrics.BROKER_AWAY) == 0
    # a batch whose confirmation was lost in the outage may be sent twice
    assert assert_in_order(settings, count, twice_allowed=True) <= 500
    assert caplog.text.count("has confirmed nothing for") == 1
    assert caplog.text.count("Kafka is back after") == 1


async def test_sends_the_window_again_in_order_when_kafka_python_gives_up(
    broker: Broker, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    topics.create(settings)
    count = 5_000
    source = Given(versions(count), ends=True)
    run = Produce(source, settings)
    sends = 0
    send = KafkaProducer.send
    failed: set[KafkaProducer] = set()

    def failing(producer: KafkaProducer, *arguments: Any, **options: Any) -> Any:
        nonlocal sends
        sends += 1
        if sends in (700, 2_500):
            discard(producer, _ENDED_SECONDS)  # as after a fatal error, all its pending records fail
            failed.add(producer)
        return Future().failure(KafkaError()) if producer in failed else send(producer, *arguments, **options)

    monkeypatch.setattr(KafkaProducer, "send", failing)
    running = asyncio.create_task(run.run())
    await asyncio.sleep(0)
    summary = await asyncio.wait_for(running, 60)
    assert summary.sent == count
    assert_in_order(settings, count, twice_allowed=True)
    assert caplog.text.count("records again in order") == 2


async def test_stops_within_seconds_while_kafka_is_away(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(fresh_embedded_broker, produce={"max_in_flight": 200})
    topics.create(settings)
    source = Given(versions(100_000))
    run = Produce(source, settings)
    running = asyncio.create_task(run.run())
    await eventually(lambda: run.summary.sent > 500, what="posts are flowing")
    fresh_embedded_broker.suspend()
    sent = run.summary.sent
    await eventually(run.not_ready, what="the outage is seen")
    run.stop()
    summary = await asyncio.wait_for(running, 5)
    fresh_embedded_broker.resume()
    assert summary.stopped
    assert summary.unconfirmed == 200
    assert sent <= summary.sent < sent + 5_000
    wait_until(lambda: records.count(settings.kafka, settings.topics.raw) >= summary.sent)


async def test_stops_while_it_waits_for_the_broker_to_return(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(fresh_embedded_broker)
    topics.create(settings)
    run = Produce(Given(versions(100)), settings)
    send = KafkaProducer.send
    assert metrics.REGISTRY.get_sample_value("tagpulse_produce_in_flight_limit") == settings.produce.max_in_flight
    sends = 0
    failed: set[KafkaProducer] = set()

    def failing(producer: KafkaProducer, *arguments: Any, **options: Any) -> Any:
        nonlocal sends
        sends += 1
        future = Future().failure(KafkaError()) if producer in failed else send(producer, *arguments, **options)
        if sends == 50:
            fresh_embedded_broker.kill()
            discard(producer, _ENDED_SECONDS)
            failed.add(producer)
        return future

    monkeypatch.setattr(KafkaProducer, "send", failing)
    running = asyncio.create_task(run.run())
    await eventually(lambda: sends >= 50, what="the producer has failed")
    await eventually(run.not_ready, what="the outage is seen")
    run.stop()
    summary = await asyncio.wait_for(running, 5)
    assert summary.stopped
    assert summary.unconfirmed > 0


async def test_a_refusal_of_kafka_ends_the_run_with_the_reason(
    apache_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(apache_broker)
    topics.create(settings)
    ahead = datetime.now(UTC) + timedelta(days=3)
    early = Post(source="test", id="1", text="", created_at=ahead)
    run = Produce(Given([[early]], ends=True), settings, clock=lambda: ahead)
    with pytest.raises(Refused, match="clocks of this machine and the broker"):
        await run.run()
