"""Poison, a model that raises on one post, and a broken deploy: each is handled differently, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from streams.contracts import VERSION_HEADER
from streams.errors import DeadLetterLimit
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.faults.conftest import Report
from tests.helpers.brokers import ROOT
from tests.helpers.letters import dead_letters_of
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, environment, run_module, wait_until
from tests.helpers.records import committed, count, produce, read_all

GOOD = 1_500


def _settings(broker: Broker, settings_for: SettingsFactory) -> Settings:
    return settings_for(
        broker, model={"backend": "constant"}, enrich={"max_post_bytes": 20_000}, topics={"partitions": 1}
    )


def _handled(settings: Settings) -> int:
    return count(settings.kafka, settings.topics.enriched) + count(settings.kafka, settings.topics.dead)


def test_a_batch_of_poison_goes_to_the_dead_letters_with_its_bytes(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path, report: Report
) -> None:
    settings = _settings(broker, settings_for)
    topics.create(settings)
    poison: list[tuple[bytes | None, bytes | None]] = [
        (b"not-json", b"\xff\xfe{{{"),
        (b"not-a-post", b'{"type":"post","source":"test","id":"1"}'),
        (b"another-type", b'{"type":"parcel"}'),
        (
            b"cut-short",
            b'{"type":"post","source":"test","id":"1","text":"\\ud8","created_at":"2026-06-20T09:00:00Z"}',
        ),
        (b"naive", b'{"type":"post","source":"test","id":"1","text":"x","created_at":"2026-06-20T09:00:00"}'),
        (b"no-value", None),
        (b"large", raw_posts([1])[0][1] + b" " * 30_000),
    ]
    produce(settings.kafka, settings.topics.raw, raw_posts(range(GOOD // 2)))
    produce(settings.kafka, settings.topics.raw, poison * 40)
    future_version = raw_posts([10**6])[0]
    produce(settings.kafka, settings.topics.raw, [(b"newer", future_version[1])], headers=[(VERSION_HEADER, b"99")])
    produce(settings.kafka, settings.topics.raw, raw_posts(range(GOOD // 2, GOOD)))
    bad = len(poison) * 40 + 1

    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: _handled(settings) >= GOOD + bad, 60, "everything handled")
        worker.terminate()
        assert worker.wait() == 0

    result = outcome(settings)
    assert set(result.enriched) <= {key for key, _ in raw_posts(range(GOOD))}
    lost = GOOD - len(result.enriched)
    report(
        fault="a batch of poison in the feed",
        times=bad,
        posts=GOOD,
        lost=lost,
        twice=result.repeated,
        note="the poison is in the dead letters, with its bytes and the reason",
    )
    letters = dead_letters_of(read_all(settings.kafka, settings.topics.dead))
    sent = {record.offset: record for record in read_all(settings.kafka, settings.topics.raw)}
    assert len(letters) == bad
    for letter in letters:
        original = sent[letter.offset]
        assert (letter.key, letter.value) == (original.key, original.value)
        assert letter.origin == f"{settings.topics.raw}[0]@{original.offset}"
        assert letter.error
    reasons = Counter((letter.key, letter.reason) for letter in letters)
    assert reasons == {
        (b"not-json", "malformed"): 40,
        (b"not-a-post", "invalid"): 40,
        (b"another-type", "invalid"): 40,
        (b"cut-short", "malformed"): 40,
        (b"naive", "invalid"): 40,
        (b"no-value", "empty"): 40,
        (b"large", "oversize"): 40,
        (b"newer", "unknown_version"): 1,
    }


def test_a_model_that_raises_on_one_post_loses_none(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = _settings(embedded_broker, settings_for)
    topics.create(settings)
    posts = raw_posts(range(GOOD))
    posts[700] = (posts[700][0], (posts[700][1] or b"").replace(b"a fine day", b"boom"))
    produce(settings.kafka, settings.topics.raw, posts)
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.faulty_model"], cwd=ROOT, env=environment(settings), stderr=log
        )
    try:
        wait_until(lambda: _handled(settings) >= GOOD, 60, "everything handled")
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
    result = outcome(settings)
    assert result.dead == {posts[700][0]: 1}
    assert result.reasons == {"enrichment_failed"}
    assert set(result.enriched) == {key for key, _ in posts} - {posts[700][0]}


def test_a_broken_deploy_stops_before_it_empties_the_topic(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = _settings(embedded_broker, settings_for)
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, [(f"{n}".encode(), b"{}") for n in range(5_000)])
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        assert worker.wait(60) == DeadLetterLimit.exit_code
        last_line = worker.stderr.strip().splitlines()[-1]
    assert "looks like a fault of this worker" in last_line
    assert "TAGPULSE_WORKER__DEAD_SHARE" in last_line
    dead = count(settings.kafka, settings.topics.dead)
    assert dead <= settings.worker.dead_window * settings.worker.dead_share
    done = committed(settings.kafka, f"{settings.kafka.group_prefix}.enrich", settings.topics.raw).get(0, 0)
    assert done <= dead, "what has no dead letter must be read again"


def test_a_crash_of_faust_ends_the_process(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = _settings(embedded_broker, settings_for)
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, raw_posts(range(100)))
    worker = run_module("tests.faults.crashing_consumer", settings=settings)
    log = worker.stderr
    assert worker.returncode == 70, log
    assert "Faust crashed: RuntimeError('the consumer broke')" in log.strip().splitlines()[-1]
    assert len(outcome(settings).enriched) == 100
