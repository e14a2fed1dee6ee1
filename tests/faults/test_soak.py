"""At 70 % of the load that this machine can carry, with a kill every minute, memory, threads and file handles stay flat.

The full proof uses the shipped model: a constant one has no memory that could grow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle

import pytest

from streams.processes.broker import Broker
from tests.faults.conftest import Report, Stalls
from tests.helpers.pipeline import Pipeline
from tests.helpers.usage import Usage, growth, usage

FULL_MINUTES = 30.0
LOAD = 0.7
PROBE_POSTS = 4_000
SAMPLE_SECONDS = 1.0
# for a process of about 120 MiB; the allocators of Python and Arrow release memory late
MOST_GROWTH_MIB = 10.0


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_long_run_with_kills_leaks_nothing(
    apache_broker: Broker,
    pipeline: Callable[..., Pipeline],
    report: Report,
    stalled: Stalls,
    full: bool,
    pytestconfig: pytest.Config,
) -> None:
    minutes = pytestconfig.getoption("--soak-minutes") if full else 0.2
    pause = 60.0 if full else 5.0
    model = {"backend": "auto", "threads": 1} if full else {}
    with pipeline(apache_broker, rate=1_000_000.0, stores=2, model=model) as running:
        running.feed(1_000, endless=False)
        running.settle()
        rate = _capacity(running) * LOAD
        running.rate = rate
        # one worker of each kind is never killed, to be watched; the others and the producer are killed in turn
        watched = [running.enrich[1], running.store[1]]
        samples: dict[str, list[Usage]] = {part.name: [] for part in watched}
        running.feed(int(rate * 60 * minutes))
        running.wait_until_moving()
        victims = cycle(["produce", running.enrich[0].name, running.store[0].name])
        end, next_kill, kills = time.monotonic() + 60 * minutes, time.monotonic() + pause, 0
        while time.monotonic() < end:
            running.during(SAMPLE_SECONDS)
            for part in watched:
                samples[part.name].append(usage(part.process.pid))
            if time.monotonic() >= next_kill:
                name = next(victims)
                next(part for part in running.parts if part.name == name).kill()
                next_kill, kills = next_kill + pause, kills + 1
        running.hurry()
        running.settle(300)
        endings = running.end()
        verdict = running.verdict()
    grown = {name: growth(each) for name, each in samples.items()}
    usages = ", ".join(
        f"{name} {samples[name][-1].memory_mib:.0f} MiB ({each.memory_mib:+.1f}), {samples[name][-1].threads} threads "
        f"({each.threads:+d}), {samples[name][-1].handles} handles ({each.handles:+d})"
        for name, each in grown.items()
    )
    report(
        fault="soak at 70 % load with a kill every minute",
        times=kills,
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        size="" if minutes >= FULL_MINUTES else f"{minutes:g} minutes of {FULL_MINUTES:g}",
        note=f"{rate:.0f} posts/s{', the shipped model' if full else ''}; the workers that were never killed, at the end (with the change from the middle third to the last): {usages}",
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert not verdict.dead
    assert stalled(endings) == []
    if full:
        for name, each in grown.items():
            assert each.memory_mib < MOST_GROWTH_MIB, (name, samples[name])
            assert (abs(each.threads), abs(each.handles)) <= (2, 10), (name, samples[name])


def _capacity(running: Pipeline) -> float:
    """Return the highest rate from the file into the lake, in posts per second."""
    began = time.monotonic()
    running.feed(PROBE_POSTS, endless=False)
    running.settle()
    return PROBE_POSTS / (time.monotonic() - began)
