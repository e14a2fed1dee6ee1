"""SIGSTOP of a process for longer than its session: others take over, and what it does afterwards does no harm."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from streams.processes.broker import Broker
from tests.faults.conftest import Report, Stalls
from tests.helpers.pipeline import Pipeline


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_frozen_for_longer_than_its_session_loses_no_post(
    apache_broker: Broker, pipeline: Callable[..., Pipeline], report: Report, stalled: Stalls, full: bool
) -> None:
    seconds, times = (20.0, 5) if full else (9.0, 1)
    longest = 0.0
    # two stores, so that the second writes the rows that the frozen one still holds
    with pipeline(apache_broker, rate=50.0, stores=2) as running:
        running.feed(int(50 * times * (seconds + 30)))
        running.wait_until_moving()
        for _ in range(times):
            frozen = [running.enrich[0], running.store[0]]
            for part in frozen:
                part.process.send_signal(signal.SIGSTOP)
            running.during(seconds)
            for part in frozen:
                part.process.send_signal(signal.SIGCONT)
            longest = max(longest, running.partitions_move())
        running.hurry()
        running.settle()
        endings = running.end()
        verdict = running.verdict()
        # a store that was frozen between looking for a row and writing it still writes it
        assert running.compact() == 0
        after = running.verdict()
    ended = stalled(endings)
    report(
        fault="SIGSTOP of an enrich and a store worker for longer than their session (6 s)",
        times=times,
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        recovered=longest,
        note=f"for {seconds:g} s each, recovered once each partition had commits again; {len(ended)} processes whose client did "
        f"not recover were ended by the watchdog (exit 75) and restarted; {verdict.rows_twice} rows were in the files twice "
        "until `tagpulse lake compact`, and the lake showed each once",
    )
    assert not verdict.shown_twice
    assert not after.rows_twice
    assert not verdict.dead
