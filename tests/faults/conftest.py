"""Fixtures of the proofs: their size, and how they report their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import click
import pytest

from streams.errors import Stalled
from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.faults import proofs
from tests.faults.proofs import Proof
from tests.helpers.parts import Ending
from tests.helpers.pipeline import SMALL_STEPS, Pipeline, Verdict

FEW_COMBINED = (30, 42, 95)
"""Quick rounds, in each of which partitions are added."""
FEW_GROWTHS = (0,)


class Report(Protocol):
    """`report(fault=…, times=…, …)` reports a result, and fails if a post was lost."""

    def __call__(self, **fields: Any) -> None: ...


Stalls = Callable[[Sequence[Ending]], list[Ending]]


def report_since(
    report: Report, running: Pipeline, before: Verdict, fault: str, recovered: float, size: str
) -> Verdict:
    """Report what a fault did to the posts that were fed since `before`, and return the verdict on all posts."""
    verdict = running.verdict()
    found = verdict - before
    report(
        fault=fault,
        times=1,
        posts=found.posts,
        lost=found.lost,
        twice=found.twice,
        recovered=recovered,
        size=size,
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert not verdict.dead
    return verdict


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize rounds by seed; a long series can be spread over several runs, recorded in the file of the proofs."""
    config = metafunc.config
    first, path = config.getoption("--first-seed"), config.getoption("--proofs")
    for name, option, fault, full, few in (
        ("combined_seed", "--rounds", proofs.COMBINED, proofs.FULL_ROUNDS, FEW_COMBINED),
        ("growth_seed", "--growths", proofs.GROWTH, proofs.FULL_GROWTHS, FEW_GROWTHS),
    ):
        if name not in metafunc.fixturenames:
            continue
        number = config.getoption(option)
        if number is None and not config.getoption("--full-proofs"):
            metafunc.parametrize(name, few)
            continue
        done = proofs.seeds(path, fault) if path is not None and path.exists() else set()
        seeds = range(first, first + (full if number is None else number))
        metafunc.parametrize(name, [seed for seed in seeds if seed not in done])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select only the proofs that report a result, on Apache Kafka, if they run in full."""
    if not config.getoption("--full-proofs"):
        return

    def is_proof(item: pytest.Item) -> bool:
        chosen = item.callspec.params.get("broker") if hasattr(item, "callspec") else None
        return "report" in getattr(item, "fixturenames", ()) and chosen != "embedded"

    config.hook.pytest_deselected(items=[item for item in items if not is_proof(item)])
    items[:] = filter(is_proof, items)


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Return whether the proofs run at their full size."""
    return bool(request.config.getoption("--full-proofs"))


@pytest.fixture
def report(request: pytest.FixtureRequest, full: bool, capsys: pytest.CaptureFixture[str]) -> Report:
    path: Path | None = request.config.getoption("--proofs")

    def write(**fields: Any) -> None:
        proof = Proof(**fields, on=datetime.now(UTC).date().isoformat())
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{proof.line}\n")
        with capsys.disabled():
            recovered = "" if proof.recovered is None else f", recovered within {proof.recovered:.1f} s"
            seed = "" if proof.seed is None else f" (seed {proof.seed}: {', '.join(proof.kinds)})"
            click.echo(
                f"\n  {proof.fault}{seed}, {proof.times} times: {proof.posts} posts, {proof.lost} lost, "
                f"{proof.twice} twice on the topic{recovered} {proof.note}"
            )
        assert (proof.lost, proof.failed) == (0, "")

    return write


@pytest.fixture
def stalled(capsys: pytest.CaptureFixture[str]) -> Stalls:
    """Return `stalled(endings)`, which returns the endings that the watchdog caused, and prints the end of their logs.

    It fails if a process ended neither on request nor by the watchdog, or did not give a reason.
    """

    def check(endings: Sequence[Ending]) -> list[Ending]:
        assert [
            ending for ending in endings if ending.code not in (0, Stalled.exit_code) or not ending.gives_reason
        ] == []
        found = [ending for ending in endings if ending.code]
        with capsys.disabled():
            for ending in found:
                click.echo(f"\n  {ending.part} stalled:\n{ending.log[-20_000:]}")
        return found

    return check


@pytest.fixture
def pipeline(settings_for: SettingsFactory, tmp_path: Path) -> Callable[..., Pipeline]:
    """Return `pipeline(broker, rate=…)`, which creates the topics and starts all workers, for use in a `with` block."""

    def start(broker: Broker, *, rate: float, **options: Any) -> Pipeline:
        sections: dict[str, dict[str, Any]] = {
            name: options.pop(name) for name in ("kafka", "topics", "lake", "postgres", "model") if name in options
        }
        merged = {name: SMALL_STEPS.get(name, {}) | sections.get(name, {}) for name in SMALL_STEPS | sections}
        settings = settings_for(broker, **merged)
        topics.create(settings)
        return Pipeline(settings, tmp_path, rate=rate, **options)

    return start
