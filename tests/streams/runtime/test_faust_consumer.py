"""What the Faust consumer delivers, gives back and commits; `test_simulation` runs it as a whole."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.runtime import faust_consumer
from streams.runtime.faust_app import build_app
from streams.runtime.faust_thread import Taken, Thread
from streams.runtime.lossless import BatchPolicy, Lossless
from streams.runtime.offset_gaps import Expired, OffsetRange, RecordsSkipped
from streams.runtime.progress import OutOfOrder, PartitionProgress
from streams.settings import Settings

PLACE = TP("posts.raw", 0)
ELSEWHERE = TP("posts.raw", 1)


class Kafka:
    """The answers of aiokafka's thread, and what it is asked to do."""

    def __init__(self) -> None:
        self.assignment = object()
        self.taken = Taken({}, {})
        self.while_taking: Callable[[], None] = lambda: None
        self.refuses = False
        self.away = 0
        self.committed: list[Mapping[TP, int]] = []
        self.given_back: list[Mapping[TP, int]] = []
        self.messages: list[Any] = []
        self.expired: list[Expired] = []
        self.stretch = OffsetRange(0, ())

    @property
    def handed_over(self) -> list[int]:
        return [message.offset for message in self.messages]

    async def take_over(self, message: Any) -> None:
        self.messages.append(message)

    async def examine(self, topic: str, partition: int, start: int, end: int) -> OffsetRange:
        if self.away:
            self.away -= 1
            raise KafkaConnectionError("away")
        return self.stretch

    async def report(self, expired: Expired) -> None:
        self.expired.append(expired)


class _Thread(Thread):
    """A consumer thread without aiokafka that is never started."""

    def __init__(self, kafka: Kafka, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._kafka = kafka

    async def call_thread(self, call: Any, *arguments: Any) -> Any:
        return await call(*arguments)

    def assignment(self) -> set[TP]:
        return {PLACE}

    def current_assignment(self) -> Any:
        return self._kafka.assignment

    async def starts(self, assignment: Any) -> dict[TP, PartitionProgress]:
        return {PLACE: PartitionProgress(3)}

    async def take(self, assignment: Any, wanted: Collection[TP], limit: int) -> Taken:
        self._kafka.while_taking()
        return self._kafka.taken

    async def give_back(self, assignment: Any, offsets: Mapping[TP, int]) -> None:
        assert assignment is self._kafka.assignment
        self._kafka.given_back.append(offsets)

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if not self._kafka.refuses:
            self._kafka.committed.append(offsets)
        return not self._kafka.refuses


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch, kafka: Kafka) -> AsyncIterator[Any]:
    pace = BatchPolicy(batch_size=1, max_wait_seconds=1.0, batches_in_flight=1)
    recipe: Lossless[Any] = Lossless("enrich", None, None, pace)  # type: ignore[arg-type]  # nothing is read here
    app = build_app("group", PLACE.topic, recipe, pace, Settings().kafka, kafka.report)
    app.transport.examine = kafka.examine
    monkeypatch.setattr(faust_consumer, "Thread", functools.partial(_Thread, kafka))
    monkeypatch.setattr(app, "on_rebalance_return", lambda: None)

    async def rebalance(*_: Any) -> None:
        made.resume_flow()

    made: Any = app.transport.create_consumer(
        kafka.take_over, on_partitions_revoked=rebalance, on_partitions_assigned=rebalance
    )
    await made.on_partitions_assigned({PLACE})
    yield made
    made.thread.thread_loop.close()


def _taken(*offsets: int, position: int | None = None) -> Taken:
    records = [
        SimpleNamespace(
            topic=PLACE.topic, partition=0, offset=offset, timestamp=0, timestamp_type=0, headers=(), key=None, value=b"",
            checksum=None, serialized_key_size=0, serialized_value_size=0,
        )
        for offset in offsets
    ]  # fmt: skip
    return Taken({PLACE: records} if records else {}, {PLACE: offsets[-1] + 1 if position is None else position})


async def _read(consumer: Any, kafka: Kafka, taken: Taken) -> None:
    kafka.taken = taken
    await consumer.read({PLACE})


async def test_what_is_handed_over_is_not_given_back(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, 4, 5))
    assert kafka.handed_over == [3, 4, 5]
    assert kafka.given_back == []


async def test_records_that_come_while_the_flow_is_stopped_are_given_back(consumer: Any, kafka: Kafka) -> None:
    kafka.while_taking = consumer.stop_flow
    await _read(consumer, kafka, _taken(3, 4, 5))
    assert kafka.handed_over == []
    assert kafka.given_back == [{PLACE: 3}]


async def test_the_rest_is_given_back_when_the_flow_stops_in_the_middle(consumer: Any, kafka: Kafka) -> None:
    async def stop(message: Any) -> None:
        await kafka.take_over(message)
        consumer.stop_flow()

    consumer.callback = stop
    await _read(consumer, kafka, _taken(3, 4, 5))
    assert kafka.handed_over == [3]
    assert kafka.given_back == [{PLACE: 4}]


async def test_a_flow_that_is_resumed_too_early_waits_for_the_end_of_the_rebalance(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3))
    await consumer.on_partitions_revoked({PLACE})
    assert not consumer.flow_active
    [message] = kafka.messages
    assert not consumer.is_current(message), "what was read before is read again"
    assert not consumer.ack(message)
    await consumer.on_partitions_assigned({PLACE})
    assert consumer.flow_active
    assert not consumer.is_current(message)
    await _read(consumer, kafka, _taken(3))
    assert consumer.is_current(kafka.messages[-1])


async def test_markers_are_skipped_and_committed(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, position=4))
    kafka.stretch = OffsetRange(0, ())
    await _read(consumer, kafka, _taken(position=6))
    assert consumer.beyond(PLACE, 4) == 6
    assert consumer.ack(kafka.messages[0])
    assert await consumer.commit()
    assert kafka.committed == [{PLACE: 6}]
    assert kafka.expired == []


async def test_what_retention_deleted_is_reported_before_anything_after_it_is_read(consumer: Any, kafka: Kafka) -> None:
    kafka.stretch = OffsetRange(8, (8, 9))
    kafka.away = 1
    await _read(consumer, kafka, _taken(8, 9))
    assert kafka.expired == [Expired(PLACE.topic, 0, 3, 8)]
    assert kafka.handed_over == [8, 9]


@pytest.mark.parametrize("taken", [_taken(8, 9), _taken(position=10)], ids=["before a record", "without a record"])
async def test_records_that_were_skipped_are_an_error(consumer: Any, kafka: Kafka, taken: Taken) -> None:
    kafka.stretch = OffsetRange(0, (3, 4, 8, 9))
    with pytest.raises(RecordsSkipped, match="skipped"):
        await _read(consumer, kafka, taken)
    assert kafka.handed_over == []


async def test_a_topic_that_starts_again_is_an_error(consumer: Any, kafka: Kafka) -> None:
    with pytest.raises(OutOfOrder, match="truncated"):
        await _read(consumer, kafka, _taken(0, 1))
    assert kafka.committed == [{PLACE: 0}], "otherwise the next start would skip the new records"


async def test_a_rejected_commit_does_not_count(consumer: Any, kafka: Kafka) -> None:
    """Otherwise records that are read again up to that offset would never be committed."""
    await _read(consumer, kafka, _taken(3, 4))
    for message in kafka.messages:
        consumer.ack(message)
    kafka.refuses = True
    assert not await consumer.commit()
    kafka.refuses = False
    assert await consumer.commit()
    assert not await consumer.commit(), "nothing is new"
    assert kafka.committed == [{PLACE: 5}]


async def test_only_what_is_acknowledged_is_committed(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, 4))
    assert not await consumer.commit()
    consumer.ack(kafka.messages[0])
    assert await consumer.commit()
    assert kafka.committed == [{PLACE: 4}]


async def test_a_partition_that_went_elsewhere_is_not_committed(consumer: Any, kafka: Kafka) -> None:
    consumer.progress[ELSEWHERE] = PartitionProgress(0)
    consumer.progress[ELSEWHERE].pass_over(5)
    assert not await consumer.commit()


async def test_it_describes_its_progress(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, 4))
    state = "posts.raw[0] read to 5, committed 3, 2 not acknowledged from 3"
    assert consumer.status_lines() == ["flow active", f"{state}, fetched"]
    consumer.pause_partitions({PLACE})
    assert consumer.status_lines() == ["flow active", f"{state}, not fetched"]
