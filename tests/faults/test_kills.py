"""`kill -9`, SIGTERM in mid-batch: no post is lost, and the lake holds each exactly once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import click
import pytest

from streams import topics
from streams.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.lake import lake_rows, posts_in_view
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import committed, count, end_offsets, produce

POSTS = 20_000
KILLS = 10
# small batches and frequent commits, so that a kill often comes between two steps
SMALL_STEPS = {"batch_size": 64, "within_seconds": 0.05}


def _settings(broker: Broker, settings_for: SettingsFactory) -> Settings:
    return settings_for(
        broker,
        # static membership: the partitions wait for the killed worker's successor
        kafka={"instance_id": "the-only-one"},
        model={"backend": "constant"},
        enrich=SMALL_STEPS,
        lake={"batch_size": 200, "flush_rows": 400, "flush_seconds": 0.3},
    )


def _is_done(settings: Settings, worker: str, topic: str) -> bool:
    group = f"{settings.kafka.group_prefix}.{worker}"
    ends = {partition: end for partition, end in end_offsets(settings.kafka, topic).items() if end}
    return committed(settings.kafka, group, topic) == ends


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_kills_of_each_worker_lose_nothing(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _settings(broker, settings_for)
    topics.create(settings)
    moments = random.Random(20_260_620)
    arguments = {"enrich": ("worker", "enrich"), "store": ("worker", "store", "--sink", "parquet")}
    workers = {name: Tagpulse(*words, settings=settings, folder=tmp_path) for name, words in arguments.items()}
    try:
        for round_number in range(KILLS):
            share = POSTS // KILLS
            enriched, stored = count(settings.kafka, settings.topics.enriched), len(lake_rows(settings.lake.path))
            produce(
                settings.kafka, settings.topics.raw, raw_posts(range(round_number * share, (round_number + 1) * share))
            )
            progress = {
                "enrich": lambda before=enriched: count(settings.kafka, settings.topics.enriched) > before,
                "store": lambda before=stored: len(lake_rows(settings.lake.path)) > before,
            }
            for name, is_seen in progress.items():
                wait_until(is_seen, 60, f"progress of {name} in round {round_number}")
                time.sleep(moments.uniform(0, 0.4))  # the moment of the kill is drawn, nothing is waited for
                workers[name].kill()
                workers[name] = Tagpulse(*arguments[name], settings=settings, folder=tmp_path)
        wait_until(lambda: _is_done(settings, "enrich", settings.topics.raw), 90, "everything enriched")
        wait_until(lambda: _is_done(settings, "store-parquet", settings.topics.enriched), 90, "everything stored")
        for worker in workers.values():
            worker.terminate()
        assert [worker.wait() for worker in workers.values()] == [0, 0]
    finally:
        for worker in workers.values():
            worker.__exit__(None, None, None)

    result = outcome(settings)
    wanted = {key for key, _ in raw_posts(range(POSTS))}
    assert set(result.enriched) == wanted, "posts are lost"
    assert not result.dead
    rows = lake_rows(settings.lake.path)
    assert len(set(rows)) == len(rows) == sum(result.enriched.values()), "rows are lost or stored twice"
    assert posts_in_view(settings) == POSTS
    # a kill repeats at most what was read since the last commit: a round's posts
    assert result.repeated <= KILLS * POSTS // KILLS
    with capsys.disabled():
        click.echo(
            f"\n  {type(broker).__name__}: {2 * KILLS} kills, {POSTS} posts, 0 lost, {result.repeated} twice on the topic"
        )


def test_sigterm_in_mid_batch_ends_cleanly_and_repeats_nothing(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = _settings(broker, settings_for)
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, raw_posts(range(8_000)))
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) > 500, 60, "the first posts")
        worker.terminate()
        assert worker.wait(20) == 0
    before = count(settings.kafka, settings.topics.enriched)
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: _is_done(settings, "enrich", settings.topics.raw), 60, "everything enriched")
        worker.interrupt()
        assert worker.wait(20) == 0
    result = outcome(settings)
    assert before < 8_000, "the first worker was to be stopped in the middle"
    assert len(result.enriched) == 8_000
    assert result.repeated == 0
