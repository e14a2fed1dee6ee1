"""More partitions on a running system, and a worker that returns under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from streams.kafka import connection, topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.commands import invoke
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import count, end_offsets, produce

POSTS = 2_000
START_SECONDS = 60
"""A deadline only; benchmarks/scale.py measures how long a start takes."""


def _members(settings: Settings) -> int:
    """Return the number of members of the group once its partitions are assigned, and 0 before."""
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    try:
        [group] = admin.describe_groups([f"{settings.kafka.group_prefix}.enrich"]).values()
        return len(group["members"]) if group["group_state"] == "Stable" else 0
    finally:
        admin.close()


def _enriched(settings: Settings) -> int:
    return count(settings.kafka, settings.topics.enriched)


@pytest.mark.slow
def test_partitions_are_added_while_everything_runs(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    before = settings_for(
        apache_broker,
        topics={"partitions": 1},
        kafka={"metadata_seconds": 1},
        model={"backend": "constant"},
        lake={"flush_seconds": 0.3},
        # if the new partitions are not read, the log shows the state of everything
        worker={"stall_seconds": START_SECONDS / 2},
    )
    after = before.model_copy(update={"topics": before.topics.model_copy(update={"partitions": 3})})
    topics.create(before)
    posts = raw_posts(range(POSTS))
    with Tagpulse("worker", "enrich", settings=before, folder=tmp_path) as worker:
        produce(before.kafka, before.topics.raw, posts[: POSTS // 2])
        wait_until(lambda: _enriched(before) >= POSTS // 2, START_SECONDS, "the first half enriched")
        grown = invoke("topics", "grow", settings=after).output
        assert f"{before.topics.raw}: 1 → 3 partitions" in grown
        assert before.topics.minutes not in grown
        assert topics.check(after).differences == ()
        assert topics.grow(after) == []
        wait_until(lambda: len(end_offsets(before.kafka, before.topics.raw)) == 3, 30, "the partitions are known")
        produce(before.kafka, before.topics.raw, posts[POSTS // 2 :])
        assert all(end_offsets(before.kafka, before.topics.raw).values()), "posts in every partition"
        wait_until(lambda: _enriched(before) >= POSTS, START_SECONDS, "the second half enriched")
        worker.terminate()
        assert worker.wait() == 0
    result = outcome(before)
    assert set(result.enriched) == {key for key, _ in posts}
    assert not result.dead
    assert all(end_offsets(before.kafka, before.topics.enriched).values()), "the results use the new partitions, too"


@pytest.mark.slow
def test_a_killed_worker_returns_to_its_partitions(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    # the session outlives the restart: only static membership lets the successor in before it ends
    settings = settings_for(
        apache_broker,
        kafka={"session_timeout_seconds": 45, "request_timeout_seconds": 60},
        model={"backend": "constant"},
        log={"level": "INFO"},
    )
    topics.create(settings)
    named = [{"TAGPULSE_KAFKA__INSTANCE_ID": name} for name in ("one", "two")]
    posts = raw_posts(range(POSTS))
    with (
        Tagpulse("worker", "enrich", settings=settings, folder=tmp_path, env=named[0]) as first,
        Tagpulse("worker", "enrich", settings=settings, folder=tmp_path, env=named[1]) as second,
    ):
        produce(settings.kafka, settings.topics.raw, posts[: POSTS // 2])
        wait_until(lambda: _enriched(settings) >= POSTS // 2 and _members(settings) == 2, START_SECONDS, "both work")
        second.kill()
        produce(settings.kafka, settings.topics.raw, posts[POSTS // 2 :])
        with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path, env=named[1]):
            wait_until(lambda: _enriched(settings) >= POSTS, 40, "all partitions move before the session ends")
        first.terminate()
        assert first.wait() == 0
    assert set(outcome(settings).enriched) == {key for key, _ in posts}
