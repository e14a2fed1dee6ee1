"""A worker that stands still in front of work ends with 75 and says why, so that its supervisor can start it again."""

from __future__ import annotations

from pathlib import Path

from streams import topics
from streams.broker import Broker
from streams.errors import Stalled
from tests.conftest import SettingsFactory
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, run_module
from tests.helpers.records import produce


def test_a_model_that_never_answers(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker, worker={"stall_seconds": 15})
    topics.create(settings)
    frozen = raw_posts(range(10))
    frozen[5] = (frozen[5][0], (frozen[5][1] or b"").replace(b"a fine day", b"freeze"))
    produce(settings.kafka, settings.topics.raw, frozen)
    worker = run_module("tests.faults.faulty_model", settings=settings)
    log = worker.stderr
    assert worker.returncode == Stalled.exit_code, log
    assert "has records to read, but made no progress for 15 s" in log.strip().splitlines()[-1]
    assert "faulty_model.py" in log, "the stacks show where it hangs"
    assert not outcome(settings).dead


def test_a_group_that_cannot_be_joined(apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> None:
    # Apache Kafka refuses sessions this short, of which aiokafka only logs an error
    kafka = {"session_timeout_seconds": 3, "heartbeat_seconds": 1}
    settings = settings_for(apache_broker, kafka=kafka, model={"backend": "constant"}, worker={"stall_seconds": 5})
    topics.create(settings)
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path) as worker:
        assert worker.wait(60) == Stalled.exit_code
        assert "could not join its consumer group" in worker.stderr.strip().splitlines()[-1]
