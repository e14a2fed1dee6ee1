"""`tagpulse demo` with a day that takes no time; tests/streams/demo runs the real one."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams import cli
from streams.demo import play as play_module
from streams.demo.summary import DaySummary
from tests.helpers.processes import deliver


def summary(missing: int = 0) -> DaySummary:
    return DaySummary(
        produced=10,
        enriched=9,
        deletions=1,
        dead=0,
        dead_by_reason={},
        missing=missing,
        duplicates=0,
        posts=9,
        stored=9,
        seconds=1.0,
        seconds_to_first_enriched=0.5,
        speed=None,
        model="constant 1",
        hashtags={},
        languages={},
        topics={},
        campaign_topics={},
        hours={},
        turn=None,
        most_shared=(),
    )


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command with a fake day and returns what the day was given."""

    def run(
        *arguments: str, missing: int = 0, meanwhile: Callable[[], None] = lambda: None
    ) -> tuple[Result, dict[str, Any]]:
        given: dict[str, Any] = {}

        def prepare(folder: Path, **options: Any) -> SimpleNamespace:
            given.update(options, folder=folder, campaign_text=options["campaign"].read_text(encoding="utf-8"))
            return SimpleNamespace(stage=None)

        def play(run: SimpleNamespace, show: Callable[[], None]) -> DaySummary:
            meanwhile()
            return summary(missing)

        monkeypatch.setattr(play_module, "prepare", prepare)
        monkeypatch.setattr(play_module, "play", play)
        result = CliRunner().invoke(cli.group, ["demo", *arguments], standalone_mode=False, catch_exceptions=False)
        return result, given

    return run


@pytest.mark.parametrize(
    ("arguments", "speed"),
    [((), 720.0), (("--duration", "180"), 240.0), (("--speed", "100"), 100.0), (("--speed", "max"), inf)],
)
def test_the_day_is_played_at_the_requested_pace(demo: Any, arguments: tuple[str, ...], speed: float) -> None:
    result, given = demo(*arguments)
    assert (result.return_value, given["speed"], given["kind"]) == (0, speed, "embedded")
    assert 'name = "poltwt"' in given["campaign_text"]
    assert not given["folder"].exists(), "a temporary folder is removed"


def test_the_lake_is_kept_on_request(demo: Any, tmp_path: Path) -> None:
    result, given = demo("--keep", str(tmp_path / "kept"), "--kind", "apache")
    assert (given["folder"], given["kind"]) == (tmp_path / "kept", "apache")
    assert given["folder"].is_dir()
    assert "nothing lost" in result.stdout


def test_the_summary_is_one_json_object(demo: Any) -> None:
    result, _ = demo("--json")
    found = json.loads(result.stdout)
    assert found == summary().to_json() | {"most_shared": []}
    assert found["complete"] is True


def test_an_incomplete_day_is_a_failure(demo: Any) -> None:
    result, _ = demo(missing=1)
    assert result.return_value == 1
    assert "INCOMPLETE" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_once(demo: Any, number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    ignored: list[bool] = []

    def interrupt() -> None:
        try:
            deliver(number)
        finally:
            # a second one, while the processes are stopped, would do nothing
            assert signal.getsignal(number) is signal.SIG_IGN
            ignored.append(True)

    result, given = demo(meanwhile=interrupt)
    assert (result.return_value, ignored) == (130, [True])
    assert result.stderr == "the demo was interrupted; all its processes have been stopped\n"
    assert not given["folder"].exists()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_speed_and_duration_exclude_each_other() -> None:
    result = CliRunner().invoke(cli.group, ["demo", "--speed", "5", "--duration", "60"])
    assert result.exit_code == 2
    assert "give only one of them" in result.output
