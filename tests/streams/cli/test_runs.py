from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from streams.cli import runs as module
from streams.errors import BadInput
from streams.replay.manifest import Manifest
from streams.replay.runs import Run
from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects

MANIFEST = Manifest(
    run="again",
    read=1_234,
    enriched=1_230,
    dead=4,
    deletions=2,
    partitions={},
    hashtags={},
    model_version="constant 1",
    models=["constant 1"],
    checksum="0" * 64,
    reconciled=True,
)
RUNS = [
    Run(name="live", state="live", topics=["posts.raw"], posts={"parquet": 5_000}),
    Run(
        name="again",
        state="done",
        topics=["posts.raw.again", "posts.dead.again"],
        posts={"parquet": 1_228},
        manifest=MANIFEST,
    ),
    Run(name="begun", state="begun"),
]


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Return the runs that were dropped, with the sinks."""
    found: list[tuple[str, tuple[str, ...]]] = []

    def drop(settings: Settings, run: Run, sinks: Sequence[str]) -> dict[str, int]:
        found.append((run.name, tuple(sinks)))
        return dict(run.posts)

    monkeypatch.setattr(module, "list_runs", lambda settings, sinks: RUNS)
    monkeypatch.setattr(module, "drop", drop)
    return found


@pytest.fixture
def settings(tmp_path: Path, dropped: object) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


def test_runs_are_listed_with_their_posts_and_their_manifests(settings: Settings) -> None:
    rows = [line.split() for line in invoke("runs", "list", settings=settings).stdout.splitlines() if "│" in line]
    cells = [[cell for cell in row if cell != "│"] for row in rows]
    assert cells == [
        ["live", "live", "1", "5,000"],
        ["again", "done", "2", "1,228", "1,234", "1,230", "4"],
        ["begun", "begun", "0"],
    ]
    listed = objects("runs", "list", "--sink", "parquet", settings=settings)
    assert [(run["name"], run["state"], run["posts"]) for run in listed] == [
        ("live", "live", {"parquet": 5_000}),
        ("again", "done", {"parquet": 1_228}),
        ("begun", "begun", {}),
    ]


def test_a_run_is_shown_as_json(settings: Settings) -> None:
    shown = json.loads(invoke("runs", "show", "again", settings=settings).stdout)
    assert (shown["name"], shown["manifest"]["read"]) == ("again", 1_234)


@pytest.mark.parametrize("arguments", [("show", "never"), ("drop", "never", "--execute")])
def test_an_unknown_run_is_an_error_that_names_the_others(settings: Settings, arguments: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="there is no run 'never': the runs are live, again, begun"):
        invoke("runs", *arguments, settings=settings)


def test_a_run_is_dropped_only_with_execute(settings: Settings, dropped: list[tuple[str, tuple[str, ...]]]) -> None:
    plan = ["topic posts.raw.again", "topic posts.dead.again", "1,228 posts in parquet"]
    assert invoke("runs", "drop", "again", settings=settings).stdout.splitlines() == [
        *plan,
        "nothing was done: `tagpulse runs drop again --execute` removes these",
    ]
    assert dropped == []
    done = invoke("runs", "drop", "again", "--execute", "--sink", "parquet", settings=settings)
    assert done.stdout.splitlines() == [*plan, "parquet: 1,228 posts removed", "dropped the run again"]
    assert dropped == [("again", ("parquet",))]
