"""Several faults at once, drawn from a seed, and partitions added under load: no post is lost or shown twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from streams.processes.broker import HOST, ApacheBroker
from tests.faults.conftest import Report, Stalls
from tests.faults.plans import Plan, combined, growth
from tests.faults.proofs import COMBINED, GROWTH
from tests.faults.rounds import Found, Round, Surroundings, delete_topics
from tests.helpers.brokers import broker_behind_line
from tests.helpers.clocks import SteppedClock
from tests.helpers.disks import SmallDisk, small_disk
from tests.helpers.line import Line
from tests.helpers.pipeline import Pipeline
from tests.helpers.postgres import PostgresServer

Play = Callable[[str, Plan, Surroundings], None]


@pytest.fixture(scope="module")
def behind_line(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApacheBroker, Line]]:
    """Start a broker that these tests may freeze, but not stop."""
    with broker_behind_line(tmp_path_factory.mktemp("broker-of-rounds"), apache_home) as behind:
        yield behind


@pytest.fixture
def play(
    pipeline: Callable[..., Pipeline], postgres: PostgresServer, tmp_path: Path, report: Report, stalled: Stalls
) -> Play:
    """Return a function that plays a round and reports its result; a failure includes the report of the round."""

    def run(fault: str, plan: Plan, surroundings: Surroundings) -> None:
        with ExitStack() as stack:
            dsn = stack.enter_context(postgres.database()) if "postgres" in plan.sinks else None
            running = _start(
                pipeline, plan, surroundings, surroundings.disk.path if surroundings.disk else tmp_path, dsn
            )
            stack.callback(delete_topics, running.settings)
            stack.enter_context(running)
            played = Round(plan, running, surroundings)
            try:
                found = played.play()
                assert not found.shown_twice
                assert not found.dead
                stalled([ending for ending in running.endings if not ending.precedes_start])
                assert not found.missing, f"{len(found.missing)} of {found.posts} posts are lost"
            except AssertionError as error:
                error.add_note(played.report())
                with suppress(AssertionError):
                    _report(report, fault, plan, played.found, str(error).partition("\n")[0])
                raise
            _report(report, fault, plan, found)

    return run


def _report(report: Report, fault: str, plan: Plan, found: Found | None, failed: str = "") -> None:
    report(
        fault=fault,
        seed=plan.seed,
        kinds=sorted(plan.kinds),
        times=1,
        posts=plan.posts,
        lost=len(found.missing) if found else 0,
        twice=found.twice if found else 0,
        stood_still=found.stood_still if found else None,
        failed=failed,
    )


def _start(
    pipeline: Callable[..., Pipeline], plan: Plan, surroundings: Surroundings, folder: Path, dsn: str | None
) -> Pipeline:
    env = dict(surroundings.clock.env) if surroundings.clock else {}
    if surroundings.line:
        env["TAGPULSE_KAFKA__BOOTSTRAP_SERVERS"] = f"{HOST}:{surroundings.line.port}"
    return pipeline(
        surroundings.broker,
        rate=plan.rate,
        sinks=plan.sinks,
        static=plan.static,
        env=env,
        topics={"partitions": plan.partitions[0]},
        kafka={"metadata_seconds": plan.metadata_seconds},
        lake={"path": folder / "lake"},
        postgres={"dsn": dsn},
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_combined_faults_lose_no_post(
    combined_seed: int, behind_line: tuple[ApacheBroker, Line], tmp_path: Path, play: Play
) -> None:
    plan = combined(combined_seed)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "32m")) if "disk" in plan.kinds else None
        clock = SteppedClock(tmp_path) if "clock" in plan.kinds else None
        play(COMBINED, plan, _surroundings(plan, behind_line, disk, clock))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_growth_under_load_loses_no_post(growth_seed: int, behind_line: tuple[ApacheBroker, Line], play: Play) -> None:
    plan = growth(growth_seed)
    play(GROWTH, plan, _surroundings(plan, behind_line))


def _surroundings(
    plan: Plan,
    behind_line: tuple[ApacheBroker, Line],
    disk: SmallDisk | None = None,
    clock: SteppedClock | None = None,
) -> Surroundings:
    broker, line = behind_line
    return Surroundings(broker=broker, line=line if "slow" in plan.kinds else None, disk=disk, clock=clock)
