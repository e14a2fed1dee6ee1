"""`--concurrency` divides the partitions, restarts a killed process, and ends cleanly."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka import topics
from streams.processes import supervisor
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import count, produce


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_two_processes_share_the_work_and_one_that_is_killed_comes_back(
    apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(apache_broker, model={"backend": "constant"})
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, raw_posts(range(1_000)))
    with Tagpulse("worker", "enrich", "--concurrency", "2", settings=settings, folder=tmp_path) as worker:
        wait_until(lambda: count(settings.kafka, settings.topics.enriched) >= 1_000, 60, "the first posts")
        first = _children(worker.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        produce(settings.kafka, settings.topics.raw, raw_posts(range(1_000, 2_000)))
        wait_until(lambda: len(outcome(settings).enriched) == 2_000, 60, "the rest")
        wait_until(lambda: len(_children(worker.pid)) == 2, 20, "the process that was killed")
        children = _children(worker.pid)
        worker.terminate()
        assert worker.wait(30) == 0
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_a_wrong_setting_stops_all(apache_broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> None:
    settings = settings_for(apache_broker)
    wrong = {"TAGPULSE_MODEL__PATH": str(tmp_path / "no-such-model")}
    with Tagpulse("worker", "enrich", "--concurrency", "2", settings=settings, folder=tmp_path, env=wrong) as worker:
        assert worker.wait(60) == 78
        assert "no-such-model" in worker.stderr


class _StopAtTheFirstWarning(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def stop_at_the_first_death() -> Iterator[None]:
    """Send SIGTERM to this process as soon as a process has died."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    logger, handler = logging.getLogger("streams.processes.process"), _StopAtTheFirstWarning()
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    for number, found in zip(numbers, before, strict=True):
        signal.signal(number, found)


@pytest.mark.usefixtures("stop_at_the_first_death")
def test_a_process_that_awaits_its_restart_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "TAGPULSE", (sys.executable, "-c", "raise SystemExit(3)"))
    assert supervisor.run([["worker", "enrich"]], 1) == 3
