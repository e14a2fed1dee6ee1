"""`tagpulse up` with real processes: one of them is killed, and none of them is left running."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.canaries import canaries, leaked, shown_by, written
from tests.helpers.lake import view_rows
from tests.helpers.posts import raw_posts
from tests.helpers.processes import Tagpulse, children, is_alive, run_tagpulse, wait_until

POSTS = 400


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of which only those of the model and the log apply: `tagpulse up` replaces the rest."""
    return own_settings("127.0.0.1:1", tmp_path, model={"backend": "constant"})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--source", "bluesky"], 2, "--tag"),
        (["--source", "nowhere.jsonl"], 65, "nowhere.jsonl"),
        (["--keep", "."], 65, "not empty"),
    ],
)
def test_wrong_usage_is_reported_at_once(settings: Settings, arguments: list[str], code: int, message: str) -> None:
    done = run_tagpulse("up", *arguments, settings=settings)
    assert (done.returncode, message in done.stderr) == (code, True)


def _statuses(up: Tagpulse) -> list[dict[str, Any]]:
    return [json.loads(text) for text in up.stdout.splitlines()[:] if text.endswith("}")]


def _process(up: Tagpulse, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(process for process in _statuses(up)[-1]["processes"] if process["name"] == name)
    return found


@pytest.mark.slow
def test_a_killed_worker_comes_back_and_at_the_end_nothing_is_left(tmp_path: Path, settings: Settings) -> None:
    day, keep = tmp_path / "day.jsonl", tmp_path / "kept"
    day.write_bytes(b"".join(value + b"\n" for _, value in raw_posts(range(POSTS))))
    arguments = ("--source", day, "--speed", "max", "--no-monitoring", "--keep", keep, "--json")
    planted = {name: value for name, value in canaries(1).items() if "ALERTMANAGER" not in name}
    env = planted | {"TAGPULSE_MASTODON__INSTANCES": "http://127.0.0.1:1"}
    with Tagpulse("up", *arguments, settings=settings, folder=tmp_path, env=env) as up:
        wait_until(lambda: _statuses(up), 60, "it reports its state")
        store = wait_until(_running(up, "store-parquet"), 60, "the store worker is running")
        os.kill(store["pid"], signal.SIGKILL)
        again = wait_until(lambda: (found := _process(up, "store-parquet"))["restarts"] and found, 60, "it comes back")
        assert again["pid"] != store["pid"]
        wait_until(lambda: len(_stored(keep)) == POSTS, 120, "every post is stored")
        mood = wait_until(lambda: _statuses(up)[-1]["mood"], 20, "the mood is known")
        assert sum(mood["poltwt"].values()) == POSTS
        assert _process(up, "produce")["state"] == "done"
        pids = [up.pid, *_pids(up)]
        assert all(map(is_alive, pids[:2]))
        shown = dict(shown_by([up]))
        up.terminate()
        assert up.wait(40) == 0
        assert [pid for pid in pids if is_alive(pid)] == []
    assert _stored(keep) == {str(number) for number in range(POSTS)}
    shown |= dict(written(tmp_path))
    assert {what: text for what, text in shown.items() if leaked(text)} == {}


def _stored(keep: Path) -> set[str]:
    """Return the ids of the posts in the lake."""
    if not list((keep / "lake").rglob("*.parquet")):
        return set()
    return {post_id for _, post_id in view_rows(keep / "lake")}


def _running(up: Tagpulse, name: str) -> Callable[[], dict[str, Any] | None]:
    def running() -> dict[str, Any] | None:
        process = _process(up, name)
        return process if process["state"] == "running" else None

    return running


def _pids(up: Tagpulse) -> list[int]:
    last = _statuses(up)[-1]
    pids = [last["broker"]["pid"], *(process["pid"] for process in last["processes"])]
    return [pid for pid in pids if pid is not None]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder that the database's user can access when the tests run as root, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="tagpulse-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_ctrl_c_ends_it_and_its_temporary_folders_are_gone(tmp_path: Path, temporary: Path, settings: Settings) -> None:
    env = {"TMPDIR": str(temporary)}
    arguments = ("--source", "sample", "--no-monitoring", "--postgres")
    with Tagpulse("up", *arguments, settings=settings, folder=tmp_path, env=env) as up:
        wait_until(lambda: "enrich " in up.stdout, 60, "a line with the state of each process")
        assert "kafka: 127.0.0.1:" in up.stdout
        assert "postgres: postgresql://" in up.stdout
        started = children(up.pid)
        assert len(started) >= 6  # the broker, the database, and at least four processes of tagpulse
        up.interrupt()
        assert up.wait(40) == 0
        assert [pid for pid in started if is_alive(pid)] == []
    assert list(temporary.iterdir()) == []
