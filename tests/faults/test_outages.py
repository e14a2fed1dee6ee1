"""The broker disappears while producer and workers run, and comes back: everything waits, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from streams.processes.broker import Broker
from tests.faults.conftest import Report, Stalls, report_since
from tests.helpers.brokers import kafka_home
from tests.helpers.cluster import START_SECONDS, Cluster
from tests.helpers.pipeline import NOTHING, Pipeline

# longer than the time for which Kafka's clients retry by themselves (120 s)
LONG_SECONDS = 300.0


def _stop(broker: Broker) -> None:
    broker.stop()


def _kill(broker: Broker) -> None:
    broker.kill()


def _freeze(broker: Broker) -> None:
    broker.suspend()


def _bring_back(broker: Broker) -> None:
    if broker.running:
        broker.resume()
    else:
        broker.start(START_SECONDS)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_broker_outages_lose_no_post(
    fresh_apache_broker: Broker, pipeline: Callable[..., Pipeline], report: Report, stalled: Stalls, full: bool
) -> None:
    broker = fresh_apache_broker
    faults = {"broker killed": _kill, "broker stopped": _stop, "broker frozen": _freeze}
    outages = [(name, start, 60.0 if full else 4.0 if start is not _freeze else 12.0) for name, start in faults.items()]
    if full:
        outages.append(("an outage of 5 minutes", _stop, LONG_SECONDS))
    before = NOTHING
    with pipeline(broker, rate=50.0) as running:
        for name, start, seconds in outages:
            recovered = running.through(partial(start, broker), seconds, partial(_bring_back, broker))
            fault = name if seconds == LONG_SECONDS else f"{name} for 60 s"
            before = report_since(report, running, before, fault, recovered, "" if full else f"for {seconds:g} s")
        endings = running.end()
    stalled(endings)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_three_brokers_killed_in_turn(
    tmp_path_factory: pytest.TempPathFactory,
    pipeline: Callable[..., Pipeline],
    report: Report,
    stalled: Stalls,
    full: bool,
) -> None:
    rounds, seconds = (2, 20.0) if full else (1, 2.0)
    longest = 0.0
    with Cluster(tmp_path_factory.mktemp("cluster"), kafka_home()) as cluster:
        replicated = {"replication": 3, "min_insync_replicas": 2}
        with pipeline(cluster, rate=50.0, topics=replicated) as running:
            running.feed(50 * rounds * 3 * (40 if full else 15))
            running.wait_until_moving()
            for node in cluster.nodes * rounds:
                node.kill()
                running.during(seconds)
                node.start(START_SECONDS)
                longest = max(longest, running.recovered())
                cluster.wait_until_in_sync(running.settings)
            running.hurry()
            running.settle()
            endings = running.end()
            verdict = running.verdict()
    report(
        fault="three brokers killed in turn, `min.insync.replicas=2`",
        times=3 * rounds,
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        recovered=longest,
        size="" if full else f"each away for {seconds:g} s",
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert not verdict.dead
    stalled(endings)
