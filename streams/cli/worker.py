"""`tagpulse worker`: run an enrich, store or watch worker."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import click

from models.enricher import TextEnricher
from streams import log, metrics
from streams.agents import detect, minutes
from streams.agents.enrich import WORKER, Enrich, EnrichedOutput
from streams.agents.store import Store
from streams.agents.store_spikes import StoreSpikes
from streams.campaign import Campaign, load_campaign
from streams.contracts import DEFAULT_SENSITIVITY
from streams.delivery.delivery import Delivery
from streams.kafka.publisher import Publisher
from streams.model import load_enricher
from streams.processes import supervisor
from streams.runtime.lossless import BatchPolicy
from streams.runtime.worker import Job, run
from streams.settings import Settings, load_settings
from streams.sinks.base import Sink
from streams.sinks.registry import SINKS

logger = logging.getLogger(__name__)

_WATCH_MAX_WAIT_SECONDS = 0.2


@click.group()
def command() -> None:
    """Run a worker in the foreground; SIGTERM or Ctrl-C stops it with exit code 0, and nothing is lost.

    \b
    Examples:
      tagpulse worker enrich
      tagpulse worker enrich --concurrency 2
      tagpulse worker store --sink parquet
      tagpulse worker watch
    """


def _concurrency(function: click.decorators.FC) -> click.decorators.FC:
    return click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Number of processes on this machine; they share the partitions.",
    )(click.option("--process-number", type=int, default=0, hidden=True)(function))


@command.command()
@_concurrency
def enrich(concurrency: int, process_number: int) -> int:
    """Add language, sentiment and topics to every post (posts.raw to posts.enriched).

    \b
    Examples:
      tagpulse worker enrich
      TAGPULSE_MODEL__THREADS=1 tagpulse worker enrich --concurrency 2
    """
    settings = load_settings()
    log.configure(settings.log)
    if concurrency > 1:
        return supervisor.run([["worker", "enrich"]] * concurrency, _threads(settings, concurrency))
    asyncio.run(_enrich(settings, process_number))
    return 0


@command.command()
@click.option(
    "--sink",
    "sinks",
    metavar="NAME",
    required=True,
    multiple=True,
    help="Sink to store the posts in: parquet, postgres, or one added by another package; repeatable.",
)
@_concurrency
def store(sinks: tuple[str, ...], concurrency: int, process_number: int) -> int:
    """Store the posts of posts.enriched in one or more sinks.

    Each sink has its own consumer group and processes, and does not wait for the others.

    \b
    Examples:
      tagpulse worker store --sink parquet
      TAGPULSE_LAKE__PATH=/data/lake tagpulse worker store --sink parquet
      TAGPULSE_POSTGRES__DSN=postgresql://tagpulse@db/tagpulse tagpulse worker store --sink postgres
    """
    settings = load_settings()
    log.configure(settings.log)
    kinds = [SINKS.find(name) for name in dict.fromkeys(sinks)]
    if len(kinds) > 1 or concurrency > 1:
        commands = [["worker", "store", "--sink", kind.name] for kind in kinds for _ in range(concurrency)]
        return supervisor.run(commands, _threads(settings, concurrency))
    asyncio.run(_store(kinds[0], settings, process_number))
    return 0


@command.command()
@click.option("--ends", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
@_concurrency
def watch(ends: Path | None, concurrency: int, process_number: int) -> int:
    """Count the posts of each hashtag per minute (pulse.minutes), and find spikes in the minutes (alerts.spikes).

    Minutes are in event time. A minute is published when its posts have arrived, again when late posts, edits or
    deletions change it, and for the last time when it is final (TAGPULSE_WATCH__LATENESS_SECONDS). Its posts are not
    acknowledged before that, so no state is kept outside Kafka: after a restart the open minutes are read again. One of
    the processes looks for spikes in the minutes of all processes.

    \b
    Examples:
      tagpulse worker watch
      TAGPULSE_WATCH__SENSITIVITY=high tagpulse worker watch --concurrency 2
    """
    settings = load_settings()
    log.configure(settings.log)
    if concurrency > 1:
        return supervisor.run([["worker", "watch"]] * concurrency, _threads(settings, concurrency))
    asyncio.run(_watch(settings, process_number, ends))
    return 0


async def _enrich(settings: Settings, process_number: int) -> None:
    campaign = load_campaign(settings.campaign)
    enricher = _load_enricher(settings, campaign)
    runtime = enricher.runtime
    metrics.MODEL.labels(
        enricher.name, enricher.version, runtime.name if runtime else "", runtime.precision if runtime else ""
    ).set(1)
    check = enricher.sentiment_check
    if check:
        metrics.ACCURACY.labels(enricher.name, enricher.version).set(check.accuracy)
    logger.info("the model is %s %s, run by %s", enricher.name, enricher.version, runtime or "nothing")
    publisher = Publisher(settings.kafka, WORKER, settings.topics.limits)
    policy = BatchPolicy(
        batch_size=settings.enrich.batch_size,
        max_wait_seconds=settings.enrich.max_wait_seconds,
        batches_in_flight=settings.enrich.batches_in_flight,
    )
    hashtags = metrics.BoundedLabel(campaign.hashtags, settings.metrics.max_hashtags)
    job = Job(
        worker=WORKER,
        topic=settings.topics.raw,
        process=Enrich(enricher, settings).process,
        output=EnrichedOutput(publisher, settings.topics, hashtags, check=check),
        policy=policy,
        publisher=publisher,
        is_waiting=lambda: publisher.is_away,
    )
    await run(job, settings, process_number)


async def _store(kind: type[Sink], settings: Settings, process_number: int) -> None:
    sink = kind.from_settings(settings)
    publisher = Publisher(settings.kafka, f"store-{sink.name}", settings.topics.limits)
    store = Store(sink, publisher, settings)
    await store.open()
    job = Job(
        worker=store.worker,
        topic=settings.topics.enriched,
        process=store.process,
        output=store,
        policy=sink.policy,
        publisher=publisher,
        is_waiting=lambda: publisher.is_away or store.is_waiting,
        beside=_spike_jobs(sink, publisher, settings),
    )
    try:
        await run(job, settings, process_number)
    finally:
        await store.close()


def _spike_jobs(sink: Sink, publisher: Publisher, settings: Settings) -> tuple[Job, ...]:
    if not sink.keeps_spikes:
        return ()
    store = StoreSpikes(sink, publisher, settings, part="-spikes")
    job = Job(
        worker=store.worker,
        topic=settings.topics.alerts,
        process=store.read,
        output=store,
        policy=sink.policy,
        publisher=publisher,
        is_waiting=lambda: publisher.is_away or store.is_waiting,
    )
    return (job,)


async def _watch(settings: Settings, process_number: int, ends: Path | None) -> None:
    campaign = load_campaign(settings.campaign)
    publisher = Publisher(settings.kafka, minutes.WORKER, settings.topics.limits)
    policy = BatchPolicy(
        batch_size=settings.watch.batch_size, max_wait_seconds=_WATCH_MAX_WAIT_SECONDS, batches_in_flight=2
    )
    spikes_job = Job(
        worker=detect.WORKER,
        topic=settings.topics.minutes,
        process=detect.read_minutes,
        output=detect.SpikesOutput(
            publisher, settings, settings.watch.sensitivity or campaign.sensitivity or DEFAULT_SENSITIVITY
        ),
        policy=policy,
        publisher=publisher,
        is_waiting=lambda: publisher.is_away,
    )
    job = Job(
        worker=minutes.WORKER,
        topic=settings.topics.enriched,
        process=minutes.read_enriched,
        output=minutes.MinutesOutput(publisher, settings, campaign.hashtags, ends=ends),
        policy=policy,
        publisher=publisher,
        is_waiting=lambda: publisher.is_away,
        beside=(spikes_job,),
        companions=(Delivery(settings),),
    )
    await run(job, settings, process_number)


def _load_enricher(settings: Settings, campaign: Campaign) -> TextEnricher:
    return load_enricher(settings.model, campaign, _threads(settings))


def _threads(settings: Settings, processes: int = 1) -> int:
    """Return the number of threads per model: TAGPULSE_MODEL__THREADS, or an equal share of the CPU cores."""
    return settings.model.threads or max(1, (os.cpu_count() or 1) // processes)
