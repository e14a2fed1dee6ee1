"""A replay that is killed and resumed, and one beside the live day."""

from __future__ import annotations

import json
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streams.kafka import topics
from streams.processes.broker import Broker, free_port
from streams.settings import Settings, for_run
from streams.sinks.lake.query import ask
from tests.conftest import SettingsFactory
from tests.helpers.posts import raw_posts
from tests.helpers.processes import Tagpulse, run_tagpulse, wait_until
from tests.helpers.records import committed, count, end_offsets, produce
from tests.helpers.scrapes import samples

POSTS = 6_000
KILLS = 4


def _settings(broker: Broker, settings_for: SettingsFactory) -> Settings:
    return settings_for(
        broker,
        model={"backend": "constant"},
        enrich={"batch_size": 64, "max_wait_seconds": 0.05},
        lake={"batch_size": 200, "flush_rows": 400, "flush_seconds": 0.3},
    )


def _replay(settings: Settings, name: str) -> dict[str, Any]:
    done = run_tagpulse("replay", "--run", name, "--from", "raw", "--json", settings=settings, timeout=180)
    assert done.returncode == 0, done.stderr
    manifest: dict[str, Any] = json.loads(done.stdout)
    return manifest


def _kept(settings: Settings, name: str) -> list[tuple[Any, ...]]:
    columns = "source, id, created_at, text, hashtags, language, sentiment, negative, neutral, positive, collected_at"
    if not Path(settings.lake.path).exists():
        return []
    return sorted(ask(settings.lake.path, f"select {columns} from posts where run = '{name}'").rows)


def _goes_on(replay: Tagpulse, settings: Settings, topic: str, seen: int) -> bool:
    """Return whether the topic has more records than before, or the replay has ended."""
    return (topic in topics.names(settings.kafka) and count(settings.kafka, topic) > seen) or not replay.running


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_replay_that_is_killed_repeatedly_gives_the_same_result(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = _settings(broker, settings_for)
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, [*raw_posts(range(POSTS)), (b"bad", b"{")])
    whole = _replay(settings, "whole")
    assert (whole["read"], whole["enriched"], whole["dead"]) == (POSTS + 1, POSTS, 1)

    broken, moments = for_run(settings, "broken"), random.Random(7)
    watched = (broken.topics.raw, broken.topics.enriched)
    for number in range(KILLS):
        before = [count(broken.kafka, topic) if number else 0 for topic in watched]
        with Tagpulse("replay", "--run", "broken", "--from", "raw", settings=settings, folder=tmp_path) as process:
            place = number % 2
            topic = watched[place]
            wait_until(partial(_goes_on, process, broken, topic, before[place]), 60, f"progress on {topic}")
            time.sleep(moments.uniform(0, 0.3))  # a random moment for the kill, not a wait for something
            process.kill()
        if count(broken.kafka, watched[1]) >= POSTS:
            break
    resumed = _replay(settings, "broken")
    different = {"run", "started_at", "finished_at", "seconds"}
    assert {name: value for name, value in resumed.items() if name not in different} == {
        name: value for name, value in whole.items() if name not in different
    }
    assert count(broken.kafka, broken.topics.raw) == POSTS + 1, "the reader repeated or skipped a record"
    assert len(_kept(settings, "whole")) == POSTS
    assert _kept(settings, "broken") == _kept(settings, "whole")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_replay_beside_the_live_day_leaves_it_alone(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = _settings(broker, settings_for)
    topics.create(settings)
    ports = {"enrich": free_port(), "store": free_port()}
    workers = {
        "enrich": ("worker", "enrich"),
        "store": ("worker", "store", "--sink", "parquet"),
    }
    running = {
        name: Tagpulse(*words, settings=settings, folder=tmp_path, env={"TAGPULSE_METRICS__PORT": str(ports[name])})
        for name, words in workers.items()
    }
    groups = {
        f"{settings.kafka.group_prefix}.enrich": settings.topics.raw,
        f"{settings.kafka.group_prefix}.store-parquet": settings.topics.enriched,
    }

    def live() -> dict[str, Any]:
        names = (settings.topics.raw, settings.topics.enriched, settings.topics.dead)
        return {
            "topics": {name: end_offsets(settings.kafka, name) for name in names},
            "groups": {group: committed(settings.kafka, group, topic) for group, topic in groups.items()},
            "rows": _kept(settings, "live"),
            "counted": {name: _counted(port) for name, port in ports.items()},
        }

    try:
        produce(settings.kafka, settings.topics.raw, raw_posts(range(2_000)))
        wait_until(lambda: len(_kept(settings, "live")) == 2_000, 90, "the live day")
        wait_until(
            lambda: all(
                sum(committed(settings.kafka, group, topic).values()) == count(settings.kafka, topic)
                for group, topic in groups.items()
            ),
            30,
            "the commits of the live day",
        )
        before = live()
        assert before["counted"]["enrich"]["tagpulse_posts_enriched_total"] == 2_000
        manifest = _replay(settings, "beside")
        assert manifest["enriched"] == 2_000
        assert live() == before
        assert len(_kept(settings, "beside")) == 2_000
        # the live day continues
        produce(settings.kafka, settings.topics.raw, raw_posts(range(2_000, 2_100)))
        wait_until(lambda: len(_kept(settings, "live")) == 2_100, 60, "the live day after the replay")
    finally:
        for worker in running.values():
            worker.__exit__(None, None, None)


def _counted(port: int) -> dict[str, float]:
    """Return the sums of the post counters on a worker's metrics page, all of which must be for the live day."""
    found: dict[str, float] = {}
    counters = ("tagpulse_posts_enriched_total", "tagpulse_sink_rows_total", "tagpulse_acknowledged_total")
    for sample in samples(port, counters, timeout_seconds=5.0):
        assert sample.labels["run"] == "live"
        found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found
