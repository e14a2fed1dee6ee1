"""Offsets without a record, new partitions and odd headers: none stops a worker, and lost records are reported."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient, TopicPartition

from streams.contracts import decode_gap
from streams.errors import Stalled
from streams.kafka import connection, topics
from streams.kafka.reader import read_topic
from streams.processes.broker import Broker, free_port
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, run_module, wait_until
from tests.helpers.records import NotUtf8, committed, count, end_offsets, produce, read_all
from tests.helpers.scrapes import samples

SECONDS = 60


def _metric(port: int, name: str) -> float | None:
    """Return the sum of the series with this name; None while there is none."""
    try:
        found = samples(port, [name])
    except OSError:
        return None
    return sum(sample.value for sample in found) if found else None


async def _transactions(settings: Settings) -> None:
    """Commit posts 0 to 9, abort 10 to 19, and commit 20 to 29; a marker follows each transaction."""
    producer = AIOKafkaProducer(**connection.aiokafka(settings.kafka), transactional_id=settings.topics.raw)
    await producer.start()
    try:
        for first, commits in ((0, True), (10, False), (20, True)):
            await producer.begin_transaction()
            for key, value in raw_posts(range(first, first + 10)):
                await producer.send_and_wait(settings.topics.raw, value, key, partition=0)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    finally:
        await producer.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "worker", [("enrich",), ("store", "--sink", "parquet"), ("watch",)], ids=lambda words: words[0]
)
def test_transactions_are_read_once_committed_and_leave_no_lag(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, worker: tuple[str, ...]
) -> None:
    settings = settings_for(
        apache_broker,
        topics={"partitions": 1},
        model={"backend": "constant"},
        lake={"flush_seconds": 0.3},
        metrics={"port": free_port()},
        worker={"stall_seconds": 15},
    )
    topics.create(settings)
    asyncio.run(_transactions(settings))
    topic = settings.topics.raw
    assert end_offsets(settings.kafka, topic) == {0: 33}
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as enrich:
        wait_until(lambda: _metric(settings.metrics.port, "tagpulse_consumer_lag") == 0, SECONDS, "no lag is left")
        enrich.terminate()
        assert enrich.wait() == 0
    group = f"{settings.kafka.group_prefix}.enrich"
    assert committed(settings.kafka, group, topic) == {0: 33}, "the last marker is passed"
    result = outcome(settings)
    expected = {key: 1 for key, _ in [*raw_posts(range(10)), *raw_posts(range(20, 30))]}
    assert result.enriched == expected, "what was aborted is not enriched"
    assert not result.dead
    assert len(list(read_topic(settings.kafka, topic))) == 20, "nor replayed"
    if worker == ("enrich",):
        return
    # the other workers face the same on the topic that they read
    asyncio.run(_markers(settings))
    with Tagpulse("worker", *worker, settings=settings, folder=tmp_path) as running:
        wait_until(lambda: _metric(settings.metrics.port, "tagpulse_consumer_lag") == 0, SECONDS, "no lag is left")
        running.terminate()
        assert running.wait() == 0


async def _markers(settings: Settings) -> None:
    producer = AIOKafkaProducer(**connection.aiokafka(settings.kafka), transactional_id=settings.topics.enriched)
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(settings.topics.enriched, b"aborted", partition=0)
        await producer.abort_transaction()
    finally:
        await producer.stop()


@pytest.mark.slow
def test_records_that_retention_deletes_before_they_are_read_are_reported(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(
        apache_broker, topics={"partitions": 1}, model={"backend": "constant"}, metrics={"port": free_port()}
    )
    topics.create(settings)
    posts, topic = raw_posts(range(100)), settings.topics.raw
    produce(settings.kafka, topic, posts[:20])
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) == 20, SECONDS, "the first are enriched")
        worker.terminate()
        assert worker.wait() == 0
    produce(settings.kafka, topic, posts[20:])
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    admin.delete_records({TopicPartition(topic, 0): 60})
    admin.close()
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) == 60, SECONDS, "the rest is enriched")
        assert _metric(settings.metrics.port, "tagpulse_records_expired_total") == 40
        worker.terminate()
        assert worker.wait() == 0
        assert "40 records were deleted by retention before worker enrich had read them" in worker.stderr
    assert outcome(settings).enriched == {key: 1 for key, _ in posts[:20] + posts[60:]}
    [gap] = [decode_gap(record.value, record.headers) for record in read_all(settings.kafka, settings.topics.gaps)]
    assert gap.origin == f"{topic}[0]@20 to 59"


@pytest.mark.slow
def test_partitions_added_after_a_static_leader_returned_are_read(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    before = settings_for(
        apache_broker,
        topics={"partitions": 2},
        kafka={"metadata_seconds": 1, "instance_id": "one"},
        model={"backend": "constant"},
    )
    topics.create(before)
    posts = raw_posts(range(400))
    with Tagpulse("worker", "enrich", settings=before, folder=tmp_path) as worker:
        produce(before.kafka, before.topics.raw, posts[:100])
        wait_until(lambda: len(outcome(before).enriched) >= 100, SECONDS, "it reads")
        worker.kill()
    with Tagpulse("worker", "enrich", settings=before, folder=tmp_path) as worker:
        produce(before.kafka, before.topics.raw, posts[100:200])
        wait_until(lambda: len(outcome(before).enriched) >= 200, SECONDS, "it reads again")
        topics.grow(before.model_copy(update={"topics": before.topics.model_copy(update={"partitions": 4})}))
        wait_until(lambda: len(end_offsets(before.kafka, before.topics.raw)) == 4, SECONDS, "the partitions are known")
        produce(before.kafka, before.topics.raw, posts[200:])
        wait_until(lambda: len(outcome(before).enriched) >= 400, SECONDS, "it reads the new partitions")
        worker.terminate()
        assert worker.wait() == 0
    assert set(outcome(before).enriched) == {key for key, _ in posts}


@pytest.mark.slow
def test_a_header_whose_name_is_not_utf_8_loses_no_record(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(
        broker, topics={"partitions": 2}, model={"backend": "constant"}, lake={"flush_seconds": 0.3}
    )
    topics.create(settings)
    posts = raw_posts(range(40))
    for number in range(4):
        batch = posts[number * 10 : number * 10 + 10]
        headers = [(NotUtf8("name"), b"value")] if number % 2 else []
        for partition in range(2):
            produce(settings.kafka, settings.topics.raw, batch[partition::2], headers=headers, partition=partition)
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) >= 40, SECONDS, "everything is enriched")
        worker.terminate()
        assert worker.wait() == 0
    assert outcome(settings).enriched == {key: 1 for key, _ in posts}
    names = [name for record in read_topic(settings.kafka, settings.topics.raw) for name, _ in record.headers]
    assert names == [r"\xff\xfe"] * 20


def test_the_end_of_a_part_of_the_client_ends_the_worker(broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(broker, model={"backend": "constant"})
    topics.create(settings)
    worker = run_module("tests.faults.dying_client", settings=settings)
    assert worker.returncode == Stalled.exit_code, worker.stderr
    assert "coordination: cancelled" in worker.stderr.strip().splitlines()[-1]
