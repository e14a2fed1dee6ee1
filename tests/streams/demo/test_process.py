"""The demo as a process: its numbers add up, and no process is ever left running."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from streams.contracts import Deletion, Post
from streams.demo.feed import BAD_RECORDS
from streams.sample_day import SPIKE, sample_day
from streams.settings import PREFIX
from tests.helpers.processes import wait_until

MARK = "DEMO_TEST_MARK"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Demo:
    """`tagpulse demo …` and all processes that it started, found by a mark in their environment."""

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> None:
        self._mark = uuid.uuid4().hex
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        own = {MARK: self._mark, "TMPDIR": str(self.temporary), f"{PREFIX}MODEL__BACKEND": "constant"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams", "demo", *arguments],
            env=os.environ | own | (env or {}),
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def others(self) -> list[str]:
        """Return the command lines of the running processes that the demo started."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and int(entry.name) != self.process.pid:
                    environment = (entry / "environ").read_bytes()
                    if f"{MARK}={self._mark}".encode() in environment.split(b"\0"):
                        found.append((entry / "cmdline").read_text().replace("\0", " "))
        return found

    def end(self, seconds: float = 90.0) -> tuple[int, str, str]:
        """Wait until the demo ends, and return its exit code, standard output and standard error."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, (out or b"").decode(), (err or b"").decode()


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*arguments: str, **options: Any) -> Demo:
        started.append(Demo(tmp_path, *arguments, **options))
        return started[-1]

    yield start
    for demo in started:
        demo.process.kill()
        demo.process.communicate()


@linux
@pytest.mark.slow
def test_a_whole_day_arrives_and_the_numbers_add_up(start_demo: Callable[..., Demo], tmp_path: Path) -> None:
    day = sample_day()
    keep = tmp_path / "kept"
    demo = start_demo("--speed", "max", "--json", "--keep", str(keep))
    code, out, err = demo.end()
    assert code == 0, err
    summary = json.loads(out)
    assert summary["complete"] is True
    assert summary["produced"] == len(day) + len(BAD_RECORDS)
    assert summary["produced"] == summary["enriched"] + summary["deletions"] + summary["dead"]
    assert summary["dead_by_reason"] == {"malformed": 1, "invalid": 1, "unknown_version": 1}
    assert summary["deletions"] == sum(isinstance(message, Deletion) for message in day)
    deleted = {message.key for message in day if isinstance(message, Deletion)}
    assert summary["stored"] == len({message.key for message in day} - deleted)
    assert summary["stored"] == sum(sum(mood.values()) for mood in summary["hours"].values())
    assert summary["missing"] == 0
    assert summary["turn"] is None
    assert 0 < summary["seconds_to_first_enriched"] < summary["seconds"]
    reposts = [message.repost_of for message in day if isinstance(message, Post) and message.repost_of]
    assert summary["most_shared"][0]["reposts"] == max(reposts.count(post) for post in set(reposts))
    assert "produce " in err
    assert not demo.others()
    question = [sys.executable, "-m", "streams", "query", "--json", "select count(*) as n from posts"]
    answer = subprocess.run(
        question, env=os.environ | {f"{PREFIX}LAKE__PATH": str(keep / "lake")}, capture_output=True, check=True
    )
    assert json.loads(answer.stdout) == {"n": summary["stored"]}


@linux
@pytest.mark.slow
def test_the_real_model_sees_when_the_mood_turned(start_demo: Callable[..., Demo]) -> None:
    demo = start_demo("--speed", "max", "--json", env={f"{PREFIX}MODEL__BACKEND": "openvino"})
    code, out, err = demo.end(240)
    assert code == 0, err
    summary = json.loads(out)
    begin, end = (datetime.fromisoformat(summary["turn"][name]) for name in ("begin", "end"))
    assert begin < SPIKE[1]
    assert end > SPIKE[0]
    assert summary["turn"]["share"] > 2 * summary["turn"]["usual"]
    assert len(summary["languages"]) >= 10
    assert not demo.others()
    assert not list(demo.temporary.iterdir()), "a temporary folder was left behind"


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGINT, random.Random(1).uniform(0.3, 1.0)),
        (signal.SIGINT, random.Random(2).uniform(1.0, 3.0)),
        (signal.SIGTERM, random.Random(3).uniform(3.0, 5.0)),
        (signal.SIGINT, random.Random(4).uniform(5.0, 9.0)),
    ],
)
def test_an_interrupt_at_any_moment_leaves_nothing(
    start_demo: Callable[..., Demo], number: signal.Signals, after: float
) -> None:
    demo = start_demo("--no-view")
    with pytest.raises(subprocess.TimeoutExpired):
        demo.process.wait(after)
    asked = time.monotonic()
    demo.process.send_signal(number)
    code, _, err = demo.end(10)
    assert time.monotonic() - asked < 10
    assert code in (130, -number), err
    assert "Traceback" not in err or code < 0
    wait_until(lambda: not demo.others(), 2, "its processes have ended")
    assert not list(demo.temporary.glob("tagpulse-demo-*"))


@linux
@pytest.mark.slow
def test_a_killed_demo_leaves_nothing(start_demo: Callable[..., Demo]) -> None:
    demo = start_demo("--no-view")
    wait_until(lambda: len(demo.others()) >= 3, 20, "the broker, the producer and the enrich worker are running")
    demo.process.kill()
    wait_until(lambda: not demo.others(), 5, "its processes have ended")


@linux
@pytest.mark.slow
def test_the_view_is_live_in_a_terminal_and_ctrl_c_ends_it(start_demo: Callable[..., Demo]) -> None:
    ours, theirs = pty.openpty()
    options: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    size = {"COLUMNS": "100", "LINES": "30", "TERM": "xterm-256color"}
    demo = start_demo(env=size, **options)
    os.close(theirs)
    seen = bytearray()
    deadline = time.monotonic() + 60
    while "mood by hashtag" not in seen.decode(errors="replace"):
        assert time.monotonic() < deadline
        seen += os.read(ours, 65_536)
    demo.process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65_536):
            seen += chunk
    os.close(ours)
    assert demo.process.wait(10) == 130
    text = seen.decode(errors="replace")
    assert text.count("\x1b[?1049h") == 1
    assert text.rindex("\x1b[?1049l") > text.rindex("mood by hashtag")
    assert "all its processes have been stopped" in text
    assert not demo.others()


@linux
@pytest.mark.slow
def test_a_part_that_fails_ends_the_demo_with_its_log(start_demo: Callable[..., Demo], tmp_path: Path) -> None:
    missing = tmp_path / "no-model"
    backend = {f"{PREFIX}MODEL__BACKEND": "openvino", f"{PREFIX}MODEL__PATH": str(missing)}
    demo = start_demo("--keep", str(tmp_path / "kept"), env=backend)
    code, _, err = demo.end(30)
    assert code not in (0, 130)
    assert "`tagpulse worker enrich` ended with" in err
    assert str(missing) in err
    assert not demo.others()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--speed", "0"), "above 0"),
        (("--speed", "10", "--duration", "10"), "give only one of them"),
        (("--keep", "."), "not empty"),
    ],
)
def test_wrong_usage_is_reported_at_once(
    start_demo: Callable[..., Demo], arguments: tuple[str, ...], reason: str
) -> None:
    code, out, err = start_demo(*arguments).end(20)
    assert code in (2, 65)
    assert reason in err
    assert not out
