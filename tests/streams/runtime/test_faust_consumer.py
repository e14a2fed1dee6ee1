"""What the Faust consumer delivers, gives back and commits; `test_simulation` runs it as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.runtime.faust_app import build_app
from streams.runtime.faust_thread import Taken
from streams.runtime.lossless import BatchPolicy, Lossless
from streams.runtime.offset_gaps import Expired, OffsetRange, RecordsSkipped
from streams.runtime.progress import OutOfOrder, PartitionProgress
from streams.settings import Settings

PLACE = TP("posts.raw", 0)
ELSEWHERE = TP("posts.raw", 1)


class Kafka:
    """Answers the consumer in place of aiokafka's thread."""

    def __init__(self) -> None:
        self.assignment = object()
        self.refuses = False
        self.away = 0
        self.committed: list[Mapping[TP, int]] = []
        self.given_back: list[Mapping[TP, int]] = []
        self.handed_over: list[int] = []
        self.expired: list[Expired] = []
        self.stretch = OffsetRange(0, ())

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if not self.refuses:
            self.committed.append(offsets)
        return not self.refuses

    async def call_thread(self, call: Any, *arguments: Any) -> Any:
        assert call.__name__ == "give_back"
        assert arguments[0] is self.assignment
        self.given_back.append(arguments[1])

    async def take_over(self, message: Any) -> None:
        self.handed_over.append(message.offset)

    async def examine(self, topic: str, partition: int, start: int, end: int) -> OffsetRange:
        if self.away:
            self.away -= 1
            raise KafkaConnectionError("away")
        return self.stretch

    async def report(self, gone: Expired) -> None:
        self.expired.append(gone)


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch, kafka: Kafka) -> AsyncIterator[Any]:
    pace = BatchPolicy(batch_size=1, max_wait_seconds=1.0, batches_in_flight=1)
    recipe: Lossless[Any] = Lossless("enrich", None, None, pace)  # type: ignore[arg-type]  # nothing is read here
    consumer = build_app("group", PLACE.topic, recipe, pace, Settings().kafka, kafka.report).consumer
    monkeypatch.setattr(consumer, "assignment", lambda: {PLACE})
    monkeypatch.setattr(consumer, "callback", kafka.take_over)
    monkeypatch.setattr(consumer, "_examine", kafka.examine)
    monkeypatch.setattr(consumer, "_commit", kafka.commit)
    monkeypatch.setattr(consumer._thread, "call_thread", kafka.call_thread)
    consumer._assignment, consumer._progress = kafka.assignment, {PLACE: PartitionProgress(3)}
    yield consumer
    consumer._thread.thread_loop.close()


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
    try:
        if consumer._may_deliver(kafka.assignment):
            await consumer._deliver(kafka.assignment, consumer._progress, taken)
    finally:
        await consumer._give_back(kafka.assignment, taken)


def _message(consumer: Any, offset: int) -> Any:
    return SimpleNamespace(acked=False, generation_id=consumer._epoch, tp=PLACE, offset=offset)


async def test_what_is_handed_over_is_not_given_back(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, 4, 5))
    assert kafka.handed_over == [3, 4, 5]
    assert kafka.given_back == []


async def test_records_that_come_while_the_flow_is_stopped_are_given_back(consumer: Any, kafka: Kafka) -> None:
    consumer.stop_flow()
    await _read(consumer, kafka, _taken(3, 4, 5))
    assert kafka.handed_over == []
    assert kafka.given_back == [{PLACE: 3}]


async def test_the_rest_is_given_back_when_the_flow_stops_in_the_middle(consumer: Any, kafka: Kafka) -> None:
    async def stop(message: Any) -> None:
        kafka.handed_over.append(message.offset)
        consumer.stop_flow()

    consumer.callback = stop
    await _read(consumer, kafka, _taken(3, 4, 5))
    assert kafka.handed_over == [3]
    assert kafka.given_back == [{PLACE: 4}]


async def test_a_flow_that_is_resumed_too_early_waits_for_the_end_of_the_rebalance(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        consumer.resume_flow()

    monkeypatch.setattr(consumer, "_on_partitions_revoked", nothing)
    monkeypatch.setattr(consumer, "_on_partitions_assigned", nothing)
    monkeypatch.setattr(consumer._thread, "current_assignment", object)
    monkeypatch.setattr(consumer.app, "on_rebalance_return", lambda: None)
    await consumer.on_partitions_revoked({PLACE})
    assert not consumer.flow_active
    message = _message(consumer, 3)
    assert not consumer.is_current(message), "what was read before is read again"
    assert not consumer.ack(message)
    await consumer.on_partitions_assigned({PLACE})
    assert consumer.flow_active
    assert not consumer.is_current(message)
    assert consumer.is_current(_message(consumer, 3))


async def test_markers_are_passed_over_and_committed(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, position=4))
    kafka.stretch = OffsetRange(0, ())
    await _read(consumer, kafka, _taken(position=6))
    assert consumer.beyond(PLACE, 4) == 6
    assert consumer.ack(_message(consumer, 3))
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
async def test_records_that_were_passed_over_are_an_error(consumer: Any, kafka: Kafka, taken: Taken) -> None:
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
    for offset in (3, 4):
        consumer.ack(_message(consumer, offset))
    kafka.refuses = True
    assert not await consumer.commit()
    kafka.refuses = False
    assert await consumer.commit()
    assert not await consumer.commit(), "nothing is new"
    assert kafka.committed == [{PLACE: 5}]


async def test_only_what_is_acknowledged_is_committed(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, 4))
    assert not await consumer.commit()
    consumer.ack(_message(consumer, 3))
    assert await consumer.commit()
    assert kafka.committed == [{PLACE: 4}]


async def test_a_partition_that_went_elsewhere_is_not_committed(consumer: Any, kafka: Kafka) -> None:
    consumer._progress[ELSEWHERE] = PartitionProgress(0)
    consumer._progress[ELSEWHERE].pass_over(5)
    assert not await consumer.commit()


async def test_it_describes_its_progress(consumer: Any, kafka: Kafka) -> None:
    await _read(consumer, kafka, _taken(3, 4))
    assert consumer.status_lines() == [
        "flow active",
        "posts.raw[0] read to 5, committed 3, 2 not acknowledged from 3, not fetched",
    ]
