"""The files and folders written by the commands are not accessible to other users."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers.processes import Tagpulse, run_tagpulse, wait_until

LINE = {"source": "test", "id": "1", "text": "hello", "created_at": "2026-08-01T12:00:00Z"}


@pytest.fixture(autouse=True)
def _open_mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> dict[str, str]:
    """Return the files and folders below a folder that users other than the owner can access."""
    modes = {path: path.lstat().st_mode for path in folder.rglob("*")}
    return {
        str(path.relative_to(folder)): stat.filemode(mode)
        for path, mode in modes.items()
        if mode & 0o077 and not stat.S_ISLNK(mode)
    }


def test_state_lake_logs_and_temporary_folders_are_their_users_alone(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    made, temporary = tmp_path / "made", tmp_path / "tmp"
    made.mkdir()
    temporary.mkdir()
    feed = tmp_path / "day.jsonl"
    feed.write_text(json.dumps(LINE) + "\n")
    settings = settings_for(
        embedded_broker,
        model={"backend": "constant"},
        produce={"state_path": made / "state"},
        lake={"path": made / "lake", "flush_seconds": 0.2},
    )
    topics.create(settings)
    done = run_tagpulse("produce", "file", feed, "--resume", settings=settings)
    assert done.returncode == 0, done.stderr
    arguments = ("replay", "--from", str(feed), "--run", "again", "--manifest", str(made / "manifest.json"))
    done = run_tagpulse(*arguments, settings=settings)
    assert done.returncode == 0, done.stderr
    with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path, env={"TMPDIR": str(temporary)}) as worker:
        wait_until(lambda: list(temporary.rglob("tables")), 30, "the folders of Faust")
        assert list(temporary.glob("tagpulse-faust-*"))
        assert open_to_others(temporary) == {}
        worker.terminate()
        wait_until(lambda: not worker.running, 30, "the end of the worker")
    assert list(temporary.iterdir()) == [], "a worker that was stopped leaves nothing"
    assert {"state", "lake", "manifest.json"} <= {path.name for path in made.iterdir()}
    assert open_to_others(made) == {}
