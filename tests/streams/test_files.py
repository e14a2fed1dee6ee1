"""Files are private to their user, replaced as a whole, and used by one process at a time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.files import try_lock, write_durably
from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers.brokers import ROOT
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


def test_state_lake_logs_and_temporary_folders_are_private(
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


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_durably(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_durably(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
    assert path.read_bytes() == b"new"


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "state.lock"
    program = "import sys, pathlib, streams.files as f; lock = f.try_lock(pathlib.Path(sys.argv[1])); print(lock is not None, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert try_lock(path) is None
        other.kill()
        other.wait()
    lock = try_lock(path)
    assert lock is not None
    assert try_lock(path) is None
    lock.release()
    again = try_lock(path)
    assert again is not None
    again.release()
