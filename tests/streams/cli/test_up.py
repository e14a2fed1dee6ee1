"""`tagpulse up` with a trial that starts nothing; tests/streams/up runs a real one."""

from __future__ import annotations

import json
import signal
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result

from streams import cli
from streams.cli import up as module
from streams.errors import BadInput, Unavailable
from streams.up import view
from streams.up.stage import TrialOptions
from tests.helpers.processes import deliver

PARTS = ["starting", "starting", "running", "running"]
"""The state of the only part, at each look."""


class Trial:
    """A trial that looks four times and is then stopped by a signal."""

    def __init__(self, folder: Path, wanted: TrialOptions) -> None:
        self.folder = folder
        self.wanted = wanted
        self.campaign = wanted.campaign.read_text(encoding="utf-8") if wanted.campaign else None
        self.looks = 0
        self.events: list[str] = []

    @property
    def states(self) -> list[str]:
        return [PARTS[self.looks - 1]]

    def urls(self) -> dict[str, str]:
        return {"prometheus": "http://127.0.0.1:9090"}

    def start(self) -> None:
        self.events.append("start")

    def look(self) -> None:
        self.looks += 1
        if self.looks == len(PARTS):
            deliver(signal.SIGINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.events.append("stop")


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command with a fake trial and returns the result and the trial."""
    trials: list[Trial] = []

    def make(folder: Path, wanted: TrialOptions) -> Trial:
        trial = Trial(folder, wanted)
        trials.append(trial)
        return trial

    monkeypatch.setattr(module, "Up", make)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(view, "line", lambda trial: f"look {trial.looks}: {trial.states[0]}")
    monkeypatch.setattr(view, "status", lambda trial: {"look": trial.looks})

    def run(*arguments: str) -> tuple[Result, Trial]:
        result = CliRunner().invoke(cli.group, ["up", *arguments], standalone_mode=False, catch_exceptions=False)
        return result, trials[-1]

    return run


def test_it_runs_until_it_is_stopped_and_its_folder_is_gone(up: Any) -> None:
    result, trial = up()
    assert (result.return_value, trial.events) == (0, ["start", "stop"])
    assert not trial.folder.exists()
    assert trial.wanted.source == "sample"
    assert (trial.wanted.speed, trial.wanted.postgres, trial.wanted.monitoring) == (60.0, False, True)
    assert 'name = "poltwt"' in (trial.campaign or "")


def test_a_line_is_printed_when_a_state_changes(up: Any) -> None:
    result, _ = up()
    assert result.stdout.splitlines() == [
        "prometheus: http://127.0.0.1:9090",
        "look 1: starting",
        "look 3: running",
    ]


def test_json_has_an_object_for_each_look(up: Any) -> None:
    result, _ = up("--json")
    assert [json.loads(line)["look"] for line in result.stdout.splitlines()] == [1, 2, 3]


def test_the_options_reach_the_trial(up: Any, tmp_path: Path) -> None:
    posts = tmp_path / "day.jsonl"
    posts.touch()
    kept = tmp_path / "kept"
    _, trial = up("--source", str(posts), "--speed", "max", "--postgres", "--no-monitoring", "--keep", str(kept))
    assert trial.wanted == TrialOptions(source=str(posts), speed=inf, postgres=True, monitoring=False)
    assert trial.folder == kept
    assert kept.is_dir()
    _, trial = up("--source", "bluesky", "--tag", "a", "--tag", "b")
    assert (trial.wanted.tags, trial.campaign) == (("a", "b"), None)


def test_a_failure_stops_everything_and_keeps_the_logs(up: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[Trial] = []

    def look(trial: Trial) -> None:
        failed.append(trial)
        raise Unavailable("the broker is gone")

    monkeypatch.setattr(Trial, "look", look)
    with pytest.raises(Unavailable, match="the broker is gone"):
        up()
    [trial] = failed
    assert trial.events == ["start", "stop"]
    assert trial.folder.exists()
    trial.folder.rmdir()


def test_a_wrong_source_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.group, ["up", "--source", "bluesky"])
    assert result.exit_code == 2
    assert "--source bluesky needs a --tag" in result.output
    with pytest.raises(BadInput, match="must be sample, bluesky or an existing file"):
        CliRunner().invoke(cli.group, ["up", "--source", str(tmp_path)], catch_exceptions=False, standalone_mode=False)
