"""How `tagpulse worker` assembles a worker; the workers themselves are tested with a broker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from streams import metrics
from streams.cli import worker as module
from streams.delivery.delivery import Delivery
from streams.errors import TagpulseError
from streams.processes import supervisor
from streams.runtime.worker import Job
from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke
from tests.helpers.scrapes import value_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    campaign = tmp_path / "campaign.toml"
    campaign.write_text('name = "poltwt"\nhashtags = ["poltwt"]\nsensitivity = "high"\n')
    return own_settings("127.0.0.1:1", tmp_path).model_copy(update={"campaign": campaign})


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Job, int]]:
    """Return the jobs that were run, each with its process number."""
    found: list[tuple[Job, int]] = []

    async def run(job: Job, settings: Settings, process_number: int) -> None:
        found.append((job, process_number))

    monkeypatch.setattr(module, "run", run)
    return found


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[list[str]], int]]:
    """Return the commands that were supervised, with the threads of each model."""
    found: list[tuple[list[list[str]], int]] = []

    def run(commands: Sequence[Sequence[str]], threads: int) -> int:
        found.append(([list(command) for command in commands], threads))
        return 69

    monkeypatch.setattr(supervisor, "run", run)
    return found


def test_the_enrich_worker_reads_raw_posts(settings: Settings, jobs: list[tuple[Job, int]]) -> None:
    constant = settings.model_copy(update={"model": settings.model.model_copy(update={"backend": "constant"})})
    invoke("worker", "enrich", "--process-number", "3", settings=constant)
    [(job, number)] = jobs
    assert (job.worker, job.topic, number) == ("enrich", settings.topics.raw, 3)
    assert (job.policy.batch_size, job.policy.batches_in_flight) == (
        settings.enrich.batch_size,
        settings.enrich.batches_in_flight,
    )
    assert not job.is_waiting()
    assert value_of(metrics.MODEL.labels("constant", "1", "", "")) == 1


def test_the_store_worker_reads_enriched_posts_and_spikes(settings: Settings, jobs: list[tuple[Job, int]]) -> None:
    invoke("worker", "store", "--sink", "parquet", settings=settings)
    [(job, number)] = jobs
    assert (job.worker, job.topic, number) == ("store-parquet", settings.topics.enriched, 0)
    [spikes] = job.beside
    assert (spikes.worker, spikes.topic) == ("store-parquet-spikes", settings.topics.alerts)
    assert spikes.policy == job.policy
    assert not spikes.is_waiting()


def test_the_watch_worker_counts_minutes_finds_spikes_and_delivers_them(
    settings: Settings, jobs: list[tuple[Job, int]]
) -> None:
    invoke("worker", "watch", settings=settings)
    [(job, _)] = jobs
    assert (job.worker, job.topic) == ("watch", settings.topics.enriched)
    [spikes] = job.beside
    assert spikes.topic == settings.topics.minutes
    assert [type(companion) for companion in job.companions] == [Delivery]


def test_several_processes_are_supervised(settings: Settings, supervised: list[tuple[list[list[str]], int]]) -> None:
    for arguments in (
        ("enrich", "--concurrency", "2"),
        ("watch", "--concurrency", "3"),
        ("store", "--sink", "parquet", "--concurrency", "2"),
        ("store", "--sink", "parquet", "--sink", "postgres", "--sink", "parquet"),
    ):
        invoke("worker", *arguments, settings=settings, code=69)
    parquet, postgres = (["worker", "store", "--sink", name] for name in ("parquet", "postgres"))
    assert [commands for commands, _ in supervised] == [
        [["worker", "enrich"]] * 2,
        [["worker", "watch"]] * 3,
        [parquet, parquet],
        [parquet, postgres],
    ]


def test_processes_share_the_cores_unless_the_threads_are_set(
    settings: Settings, supervised: list[tuple[list[list[str]], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for count in ("2", "3", "16"):
        invoke("worker", "enrich", "--concurrency", count, settings=settings, code=69)
    few = settings.model_copy(update={"model": settings.model.model_copy(update={"threads": 5})})
    invoke("worker", "enrich", "--concurrency", "2", settings=few, code=69)
    assert [threads for _, threads in supervised] == [4, 2, 1, 5]


def test_an_unknown_sink_is_an_error_that_names_the_others(settings: Settings) -> None:
    with pytest.raises(TagpulseError, match=r"never.*parquet"):
        invoke("worker", "store", "--sink", "never", settings=settings)
