"""A worker that makes no progress with waiting records exits with 75 and the reason, so that it can be restarted."""

from __future__ import annotations

from pathlib import Path

from streams.errors import Stalled
from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.faults.conftest import Report
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, run_module, wait_until
from tests.helpers.records import produce

POSTS = 1_000


def test_a_model_that_never_answers(
    broker: Broker, settings_for: SettingsFactory, tmp_path: Path, report: Report
) -> None:
    settings = settings_for(broker, model={"backend": "constant"}, worker={"stall_seconds": 15})
    topics.create(settings)
    frozen = raw_posts(range(POSTS))
    frozen[5] = (frozen[5][0], (frozen[5][1] or b"").replace(b"a fine day", b"freeze"))
    produce(settings.kafka, settings.topics.raw, frozen)
    worker = run_module("tests.faults.faulty_model", settings=settings)
    log = worker.stderr
    assert worker.returncode == Stalled.exit_code, log
    last = log.strip().splitlines()[-1]
    assert f"has records of {settings.topics.raw}[" in last
    assert "to read, but made no progress with them for 15 s" in last
    assert "faulty_model.py" in log, "the stacks show where it hangs"
    assert f"{settings.topics.raw}[0] read to " in log, "what the consumer believes"
    assert "Lossless._finish" in log, "what the tasks wait for"
    assert not outcome(settings).dead
    # a worker whose model answers reads the same posts again
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as healthy:
        wait_until(lambda: len(outcome(settings).enriched) == POSTS, 60, "everything enriched")
        healthy.terminate()
        assert healthy.wait() == 0
    result = outcome(settings)
    report(
        fault="a model that hangs",
        times=1,
        posts=POSTS,
        lost=POSTS - len(result.enriched),
        twice=result.repeated,
        note="exit 75 after `TAGPULSE_WORKER__STALL_SECONDS`, and a worker whose model answers continues",
    )
    assert not result.dead


def test_a_group_that_cannot_be_joined(apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> None:
    # Apache Kafka refuses sessions this short, and aiokafka only logs an error
    kafka = {"session_timeout_seconds": 3, "heartbeat_seconds": 1}
    settings = settings_for(apache_broker, kafka=kafka, model={"backend": "constant"}, worker={"stall_seconds": 5})
    topics.create(settings)
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        assert worker.wait(60) == Stalled.exit_code
        assert "could not join its consumer group" in worker.stderr.strip().splitlines()[-1]
