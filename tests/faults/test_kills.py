"""`kill -9` of any process at any moment, and SIGTERM in mid-batch: the lake contains each post exactly once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.kafka import topics
from streams.processes.broker import ApacheBroker, Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.faults.conftest import Report, Stalls
from tests.helpers.pipeline import SMALL_STEPS, Pipeline
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import committed, count, end_offsets, produce

POSTS = 8_000
FULL_KILLS = 100


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_kills_of_any_process_lose_nothing(
    broker: Broker,
    pipeline: Callable[..., Pipeline],
    report: Report,
    stalled: Stalls,
    full: bool,
    pytestconfig: pytest.Config,
) -> None:
    # a process takes longer to join its group on the embedded broker
    kills = pytestconfig.getoption("--kills") if full else 4 if isinstance(broker, ApacheBroker) else 2
    dice = random.Random(20_260_620)
    longest = 0.0
    with pipeline(broker, rate=100.0) as running:
        running.feed(1_000 * kills if full else 2_000)
        running.wait_until_moving()
        for _ in range(kills):
            victim = dice.choice(running.parts)
            victim.kill()
            if dice.random() < 0.2:  # again while it starts
                time.sleep(dice.uniform(0, 2.0))
                victim.kill()
            longest = max(longest, running.recovered(parts=[victim]))
            time.sleep(dice.uniform(0, 0.4))  # a random moment for the kill, not a wait for something
        running.hurry()
        running.settle()
        endings = running.end()
        verdict = running.verdict()
    report(
        fault="`kill -9` of a random process, and for a fifth of them again while it starts",
        times=kills,
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        recovered=longest,
        size="" if kills >= FULL_KILLS else f"{kills} kills of {FULL_KILLS}",
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert not verdict.dead
    assert stalled(endings) == []


def test_sigterm_in_mid_batch_ends_cleanly_and_repeats_nothing(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(broker, kafka={"instance_id": "the-only-one"}, **SMALL_STEPS)
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, raw_posts(range(POSTS)))
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) > 500, 60, "the first posts")
        worker.terminate()
        assert worker.wait(20) == 0
    before = count(settings.kafka, settings.topics.enriched)
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: _is_enriched(settings), 60, "everything enriched")
        worker.interrupt()
        assert worker.wait(20) == 0
    result = outcome(settings)
    assert before < POSTS, "the first worker should have been stopped in the middle"
    assert len(result.enriched) == POSTS
    assert result.repeated == 0


def _is_enriched(settings: Settings) -> bool:
    ends = {partition: end for partition, end in end_offsets(settings.kafka, settings.topics.raw).items() if end}
    return committed(settings.kafka, f"{settings.kafka.group_prefix}.enrich", settings.topics.raw) == ends
