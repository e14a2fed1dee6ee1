"""The parts of aiokafka's consumer that tagpulse uses beyond its public API behave as the adapter says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest

from streams.kafka import aiokafka_internals as internals
from streams.kafka import connection, topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.processes import eventually
from tests.helpers.records import NotUtf8, produce

Answer = Callable[[Any], Any]
"""What a connection answers to a request in place of the broker; None: the broker's own answer."""


@pytest.fixture
async def settings(settings: Settings) -> Settings:
    await asyncio.to_thread(topics.create, settings)
    return settings


@contextlib.asynccontextmanager
async def _consumer(
    settings: Settings, *, prepare: Callable[[AIOKafkaConsumer], None] = lambda _: None
) -> AsyncIterator[AIOKafkaConsumer]:
    """Return the only member of a new group."""
    consumer = AIOKafkaConsumer(
        **connection.aiokafka(settings.kafka),
        group_id=f"{settings.kafka.group_prefix}.internals",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    prepare(consumer)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _at(settings: Settings, partition: int = 0) -> TopicPartition:
    return TopicPartition(settings.topics.raw, partition)


async def _write(settings: Settings, partition: int, *values: bytes, name: str = "name") -> None:
    pairs = [(b"key", value) for value in values]
    await asyncio.to_thread(
        produce, settings.kafka, settings.topics.raw, pairs, headers=[(name, b"value")], partition=partition
    )


def _intercept(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    send = AIOKafkaConnection.send

    async def given(found: Any) -> Any:
        return found

    def intercepted(self: AIOKafkaConnection, request: Any, **options: Any) -> Awaitable[Any]:
        found = answer(request)
        return send(self, request, **options) if found is None else given(found)

    monkeypatch.setattr(AIOKafkaConnection, "send", intercepted)


async def test_aborted_records_are_skipped(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: set[int] = set()

    def note(request: Any) -> None:
        if isinstance(request, FetchRequest):
            levels.add(request.prepare({request.API_KEY: (4, 4)}).isolation_level)

    _intercept(monkeypatch, note)
    async with _consumer(settings, prepare=internals.read_committed) as consumer:
        consumer.assign([_at(settings)])
        await eventually(lambda: levels, what="a fetch")
    assert levels == {1}


async def test_an_error_of_a_whole_answer_about_offsets_is_raised(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: Any) -> Any:
        if isinstance(request, OffsetFetchRequest):
            return SimpleNamespace(topics=[], error_code=GroupAuthorizationFailedError.errno)
        return None

    async with _consumer(settings) as consumer:
        with monkeypatch.context() as patched:
            _intercept(patched, refuse)
            assert await consumer.committed(_at(settings)) is None, "otherwise it need not be checked here"
            internals.check_offset_fetches(consumer)
            with pytest.raises(GroupAuthorizationFailedError):
                await consumer.committed(_at(settings))
        assert await consumer.committed(_at(settings)) is None


async def test_each_assignment_has_its_own_object_and_positions(settings: Settings) -> None:
    await _write(settings, 0, b"1", b"2", b"3")
    async with _consumer(settings) as consumer:
        assert internals.current_assignment(consumer) is None
        consumer.assign([_at(settings)])
        assignment: Any = internals.current_assignment(consumer)
        assert assignment.tps == {_at(settings)}
        assert internals.current_assignment(consumer) == assignment
        assert await consumer.position(_at(settings)) == 0
        assert internals.positions(assignment) == {_at(settings): 0}
        await consumer.getmany(timeout_ms=10_000, max_records=2)
        assert internals.positions(assignment) == {_at(settings): 2}
        assert assignment.active
        consumer.assign([_at(settings)])
        assert not assignment.active
        again: Any = internals.current_assignment(consumer)
        assert again is not assignment
        assert internals.positions(again) == {}, "it is not known yet"


async def test_committed_offsets_are_read_together(settings: Settings) -> None:
    await _write(settings, 1, b"1", b"2")
    places = [_at(settings, number) for number in range(3)]
    async with _consumer(settings) as consumer:
        consumer.assign(places)
        await consumer.commit({places[1]: 2})
        assert await internals.committed_offsets(consumer, places) == {places[1]: 2}


async def test_partitions_take_turns(settings: Settings) -> None:
    places = [_at(settings, number) for number in range(2)]
    for number in range(2):
        await _write(settings, number, b"1", b"2", b"3")
    async with _consumer(settings) as consumer:
        consumer.assign(places)
        read = []
        for _ in range(4):
            [at] = await consumer.getmany(timeout_ms=10_000, max_records=1)
            read.append(at)
            internals.put_last(consumer, [at, _at(settings, 3)])
    assert read[0] == read[2] != read[1] == read[3]


async def test_header_names_that_are_not_utf_8_are_read(settings: Settings) -> None:
    at = _at(settings)
    for name in ("first", NotUtf8("name"), "last"):
        await _write(settings, 0, b"1", b"2", name=name)
    async with _consumer(settings) as consumer:
        consumer.assign([at])
        found: list[tuple[str, bytes]] = []
        failures = 0
        while len(found) < 6:
            position = await consumer.position(at)
            try:
                records = (await consumer.getmany(at, timeout_ms=10_000)).get(at, ())
            except UnicodeDecodeError:
                failures += 1
                assert internals.unreadable(consumer) == [at]
                consumer.seek(at, position)
                assert internals.unreadable(consumer) == [], "nothing is buffered after a seek"
                with pytest.raises(UnicodeDecodeError):
                    await consumer.getmany(at, timeout_ms=10_000)
                await internals.read_leniently(consumer, internals.current_assignment(consumer), at)
                assert internals.unreadable(consumer) == []
            else:
                found += [(record.headers[0][0], record.value) for record in records]
    assert found == [(name, value) for name in ("first", r"\xff\xfe", "last") for value in (b"1", b"2")]
    assert failures == 1


async def test_the_background_tasks_run_while_the_consumer_does(settings: Settings) -> None:
    consumer = AIOKafkaConsumer(**connection.aiokafka(settings.kafka), group_id=f"{settings.kafka.group_prefix}.tasks")
    assert internals.background_tasks(consumer) == {}
    consumer.subscribe([settings.topics.raw])
    await consumer.start()
    tasks = internals.background_tasks(consumer)
    assert set(tasks) == {"coordination", "fetching", "metadata"}
    assert not any(task.done() for task in tasks.values())
    await consumer.stop()
    assert internals.background_tasks(consumer) == {}
    assert all(task.done() for task in tasks.values())


async def test_a_group_is_described_and_joined_again(apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(apache_broker, topics={"partitions": 3})
    await asyncio.to_thread(topics.create, settings)
    async with _consumer(settings) as consumer:
        consumer.subscribe([settings.topics.raw])
        await eventually(consumer.assignment, 60)
        every = frozenset(_at(settings, number) for number in range(3))
        assert await internals.describe_group(consumer) == (0, "Stable", [every])
        before = internals.current_assignment(consumer)
        internals.rejoin(consumer)
        await eventually(lambda: internals.current_assignment(consumer) not in (None, before), 60)
        await eventually(lambda: consumer.assignment() == every, 60)


async def test_a_broker_that_hides_assignments_is_seen(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    await asyncio.to_thread(topics.create, settings)
    async with _consumer(settings) as consumer:
        consumer.subscribe([settings.topics.raw])
        await eventually(consumer.assignment, 60)
        group = await internals.describe_group(consumer)
        assert group is not None
        assert (group.error, group.assigned) == (0, [None])
