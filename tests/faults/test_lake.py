"""Kills of the worker and cut connections: the view of the lake equals a dictionary built from the same records."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial
from pathlib import Path

import click
import pytest

from streams.contracts import Deletion, EnrichedMessage, decode_enriched, encode
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from streams.sinks.lake.files import every_file
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.storage import Storage
from tests.conftest import SettingsFactory
from tests.helpers.lake import expected_rows, view_rows
from tests.helpers.line import Line
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import committed, end_offsets, produce, read_all
from tests.helpers.rows import START, enriched
from tests.helpers.s3 import local_bucket

MESSAGES = 50_000
KILLS = 20
SMALL_STEPS = {"batch_size": 200, "flush_rows": 600, "flush_seconds": 0.3}
STORE = ("worker", "store", "--sink", "parquet")


def _messages(first: int, last: int, dice: random.Random) -> list[EnrichedMessage]:
    """Return a message for each number: 10 % edit an earlier post, 5 % delete one, and the others are new posts."""
    messages: list[EnrichedMessage] = []
    for number in range(first, last):
        other, at = dice.randrange(number + 1), START + timedelta(seconds=number / 10)
        match dice.randrange(20):
            case 0:
                messages.append(Deletion(source="test", id=str(other), deleted_at=at))
            case 1 | 2:
                minutes = other // 600
                messages.append(enriched(str(other), minutes=minutes, text=f"edit {number}", edited_at=at))
            case _:
                messages.append(enriched(str(number), minutes=number // 600, text=f"post {number}"))
    return messages


def _send(settings: Settings, messages: list[EnrichedMessage]) -> None:
    produce(settings.kafka, settings.topics.enriched, [(message.key, encode(message)) for message in messages])


def _is_stored(settings: Settings) -> bool:
    group = f"{settings.kafka.group_prefix}.store-parquet"
    ends = {partition: end for partition, end in end_offsets(settings.kafka, settings.topics.enriched).items() if end}
    return committed(settings.kafka, group, settings.topics.enriched) == ends


def _written(storage: Storage, files: int) -> bool:
    return len(every_file(storage)) >= files


def _folded(settings: Settings) -> dict[tuple[str, str], tuple[object, ...]]:
    return expected_rows(decode_enriched(one.value) for one in read_all(settings.kafka, settings.topics.enriched))


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_twenty_kills_leave_the_same_posts_as_a_fold_in_memory(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # static membership: the partitions wait for the killed worker's successor
    settings = settings_for(apache_broker, kafka={"instance_id": "the-only-one"}, lake=SMALL_STEPS)
    topics.create(settings)
    storage, dice = open_storage(settings.lake.path), random.Random(20_260_620)
    worker = Tagpulse(*STORE, settings=settings, folder=tmp_path)
    share = MESSAGES // KILLS
    try:
        for kill in range(KILLS):
            before, more = len(every_file(storage)), dice.randrange(1, 12)
            _send(settings, _messages(kill * share, (kill + 1) * share, dice))
            wait_until(partial(_written, storage, before + more), 60, f"progress before kill {kill}")
            worker.kill()
            worker = Tagpulse(*STORE, settings=settings, folder=tmp_path)
            if kill == KILLS // 2:  # a compaction while the worker runs
                assert Tagpulse("lake", "compact", "--execute", settings=settings, folder=tmp_path).wait(60) == 0
        wait_until(lambda: _is_stored(settings), 90, "everything stored")
        worker.terminate()
        assert worker.wait() == 0
    finally:
        worker.__exit__(None, None, None)
    wanted = _folded(settings)
    assert view_rows(settings.lake.path) == wanted
    assert Tagpulse("lake", "compact", "--execute", settings=settings, folder=tmp_path).wait(60) == 0
    assert view_rows(settings.lake.path) == wanted
    with capsys.disabled():
        click.echo(f"\n  {KILLS} kills, {MESSAGES} messages, {len(wanted)} posts left, as in the fold in memory")


def test_the_store_waits_for_an_object_store_that_is_cut_off_in_mid_upload(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    with local_bucket() as bucket:
        line = Line(bucket.port)
        settings = settings_for(embedded_broker, lake=SMALL_STEPS | {"path": bucket.address(line.port)})
        topics.create(settings)
        dice = random.Random(1)
        with Tagpulse(*STORE, settings=settings, folder=tmp_path) as worker:
            _send(settings, _messages(0, 1_000, dice))
            wait_until(lambda: _is_stored(settings), 60, "the first posts")
            before = len(bucket.objects())
            line.cut_after(6_000)
            _send(settings, _messages(1_000, 3_000, dice))
            wait_until(lambda: line.cuts >= 2, 60, "cuts")
            wait_until(lambda: "nothing is lost" in worker.stderr, 60, "the worker says that it waits")
            assert not _is_stored(settings)
            line.cut_after(None)
            wait_until(lambda: _is_stored(settings), 90, "everything stored")
            worker.terminate()
            assert worker.wait() == 0
        line.close()
        assert len(bucket.objects()) > before
        assert view_rows(bucket.address()) == _folded(settings)


def test_a_missing_bucket_ends_the_worker(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    with local_bucket() as bucket:
        settings = settings_for(embedded_broker, lake={"path": bucket.address().replace("s3://lake", "s3://elsewhere")})
        with Tagpulse(*STORE, settings=settings, folder=tmp_path) as worker:
            assert worker.wait(60) == 77
            assert "there is no bucket elsewhere" in worker.stderr
