"""The broker goes away while producer and workers run, and comes back: everything waits, nothing is lost."""

from __future__ import annotations

import time
from pathlib import Path

import click
import pytest

from streams import topics
from streams.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers.lake import lake_rows, posts_in_view
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import count

POSTS = 9_600
OUTAGE_SECONDS = 30
SPEED = 60  # 9,600 posts at four a second of event time take 40 s


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_broker_that_stops_for_half_a_minute_costs_no_post(
    fresh_apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(fresh_apache_broker, model={"backend": "constant"}, lake={"flush_seconds": 1.0})
    topics.create(settings)
    pairs = raw_posts(range(POSTS))
    file = tmp_path / "posts.jsonl"
    file.write_bytes(b"".join((value or b"") + b"\n" for _, value in pairs))

    with (
        Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as enrich,
        Tagpulse("worker", "store", "--sink", "parquet", settings=settings, folder=tmp_path) as store,
        Tagpulse("produce", "file", file, "--speed", str(SPEED), settings=settings, folder=tmp_path) as produce,
    ):
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) > 500, 60, "the first posts")
        fresh_apache_broker.stop()
        assert produce.running, "the outage was to come before the end of the file"
        time.sleep(OUTAGE_SECONDS)  # the outage itself
        assert all(process.running for process in (enrich, store, produce)), "an outage is waited out"
        fresh_apache_broker.start()
        back = time.monotonic()
        assert produce.wait(90) == 0
        wait_until(lambda: len(outcome(settings).enriched) == POSTS, 90, "everything enriched")
        recovered = time.monotonic() - back
        on_topic = count(settings.kafka, settings.topics.enriched)
        wait_until(lambda: len(lake_rows(settings.lake.path)) == on_topic, 60, "everything stored")
        for worker in (enrich, store):
            worker.terminate()
        assert [enrich.wait(), store.wait()] == [0, 0]

    result = outcome(settings)
    assert set(result.enriched) == {key for key, _ in pairs}
    assert not result.dead
    rows = lake_rows(settings.lake.path)
    assert len(set(rows)) == len(rows) == sum(result.enriched.values())
    assert posts_in_view(settings) == POSTS
    with capsys.disabled():
        click.echo(
            f"\n  broker away for {OUTAGE_SECONDS} s: {POSTS} posts, 0 lost, {result.repeated} twice on the topic, "
            f"all enriched {recovered:.0f} s after it was back"
        )
