"""The parts of Faust that tagpulse uses beyond its public API behave as their classes say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.fetch import FetchRequest
from faust.exceptions import ConsumerNotStarted
from faust.transport.consumer import Fetcher
from faust.transport.drivers.aiokafka import Transport
from faust.types import TP

from streams.kafka import topics
from streams.processes.broker import Broker
from streams.runtime.faust_internals import FaustConsumer, FaustThread, created_consumer
from tests.conftest import SettingsFactory
from tests.helpers.processes import eventually
from tests.helpers.records import produce

TOPIC = "posts.raw"
HERE, THERE = TP(TOPIC, 0), TP(TOPIC, 1)


class _Consumer(FaustConsumer):
    """A consumer that notes what Faust asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stops: list[Callable[[], bool]] = []
        self.commits: list[list[TP]] = []

    def create_thread(self) -> FaustThread:
        return FaustThread(self, loop=self.loop, beacon=self.beacon, thread_loop=asyncio.get_running_loop())

    async def read_until(self, is_stopped: Callable[[], bool]) -> None:
        self.stops.append(is_stopped)

    def tracked(self) -> Iterable[TP]:
        return [HERE, THERE]

    async def commit_acknowledged(self, partitions: Iterable[TP]) -> bool:
        self.commits.append(list(partitions))
        return True


class _Transport(Transport):  # type: ignore[misc]
    Consumer = _Consumer


def _app(servers: str = "127.0.0.1:1") -> Any:
    app = faust.App("internals", broker=f"kafka://{servers}", store="memory://", web_enabled=False, autodiscover=False)
    app.transport = _Transport(app.conf.broker_consumer, app)
    return app


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A consumer that has two partitions and no thread."""
    app = _app()
    monkeypatch.setattr(app, "on_rebalance_return", lambda: None)

    async def nothing(*_: Any) -> None:
        """Do nothing: nothing else depends on the partitions."""

    made = app.transport.create_consumer(nothing, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
    await made.on_partitions_assigned({HERE, THERE})
    yield made  # noqa: PT022


async def test_the_consumer_is_seen_only_once_it_was_created() -> None:
    app = _app()
    assert created_consumer(app) is None
    consumer = app.consumer
    assert isinstance(consumer, _Consumer)
    assert created_consumer(app) is consumer
    assert type(consumer.thread) is FaustThread


async def test_the_fetcher_reads_with_the_consumer_until_it_is_stopped() -> None:
    app = _app()
    fetcher = Fetcher(app)
    await fetcher.start()
    await eventually(lambda: app.consumer.stops, what="the fetcher has called")
    [is_stopped] = app.consumer.stops
    assert not is_stopped()
    await fetcher.stop()
    assert is_stopped()


async def test_every_commit_takes_what_is_tracked(consumer: Any) -> None:
    assert await consumer.commit()
    assert await consumer.commit({HERE})
    assert await consumer.commit({TOPIC})
    assert await consumer.commit({"another"})
    assert consumer.commits == [[HERE, THERE], [HERE], [HERE, THERE], []]


async def test_partitions_that_are_paused_or_full_are_not_fetched(consumer: Any) -> None:
    assert consumer.fetched() == {HERE, THERE}
    consumer.pause_partitions({HERE})
    assert consumer.fetched() == {THERE}
    consumer.resume_partitions({HERE})
    consumer.app.in_recovery = False
    consumer.on_buffer_full(THERE)
    assert consumer.fetched() == {HERE}
    consumer.on_buffer_drop(THERE)
    assert consumer.fetched() == {HERE, THERE}
    consumer.on_buffer_full(THERE)
    consumer.forget_full_buffers()
    consumer.on_buffer_drop(THERE)
    assert consumer.fetched() == {HERE}


async def test_a_record_becomes_a_message(consumer: Any) -> None:
    headers = (("name", b"value"),)
    record = SimpleNamespace(
        topic=TOPIC, partition=1, offset=7, timestamp=1_500, timestamp_type=0, headers=headers, key=b"k", value=b"v",
        checksum=None, serialized_key_size=1, serialized_value_size=1,
    )  # fmt: skip
    message = consumer.to_message(THERE, record)
    assert (message.topic, message.partition, message.offset, message.tp) == (TOPIC, 1, 7, THERE)
    assert (message.timestamp, message.key, message.value, message.headers) == (1.5, b"k", b"v", headers)
    assert not message.acked


async def test_the_thread_starts_a_client_that_skips_aborted_records(
    embedded_broker: Broker, settings_for: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(embedded_broker)
    await asyncio.to_thread(topics.create, settings)
    await asyncio.to_thread(produce, settings.kafka, settings.topics.raw, [(b"key", b"value")], partition=0)
    levels: set[int] = set()
    send = AIOKafkaConnection.send

    def noted(self: AIOKafkaConnection, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            levels.add(request.prepare({request.API_KEY: (4, 4)}).isolation_level)
        return send(self, request, **options)

    monkeypatch.setattr(AIOKafkaConnection, "send", noted)
    thread = _app(embedded_broker.bootstrap_servers).consumer.thread
    assert not thread.is_started
    with pytest.raises(ConsumerNotStarted):
        _ = thread.client
    await thread.on_start()
    try:
        assert thread.is_started
        assert isinstance(thread.client, AIOKafkaConsumer)
        thread.client.subscribe([settings.topics.raw])
        await eventually(lambda: levels, 60, "a fetch")
    finally:
        await thread.client.stop()
    assert levels == {1}
