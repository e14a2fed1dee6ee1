"""`tagpulse up` with real processes: one of them is killed, and none of them is left running."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.samples import Sample
from rich.console import Console

from streams.contracts import Deletion, Post, decode_raw
from streams.processes.process import stop
from streams.settings import Settings
from streams.up.monitoring import monitoring
from streams.up.mood import MoodMeter, SentimentTally
from streams.up.part import Part
from streams.up.sample import recent_day, write_day
from streams.up.stage import TrialOptions, Up
from streams.up.view import line, screen
from tests.helpers.brokers import own_settings
from tests.helpers.canaries import canaries, leaked, shown_by, written
from tests.helpers.grafana import program
from tests.helpers.lake import view_rows
from tests.helpers.posts import raw_posts
from tests.helpers.processes import Tagpulse, children, is_alive, run_tagpulse, wait_until

POSTS = 400

# Reports that it is ready and has handled 7 records.
_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'x_total 7\\n# TYPE tagpulse_consumer_lag gauge\\ntagpulse_consumer_lag{partition="0"} 5\\n')
    def log_message(self, *_): pass
print("2026-11-24T23:06:55.837+00:00 serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def part(tmp_path: Path, code: str, **values: Any) -> Part:
    made = Part("one", (), tmp_path / "one.log", **values)
    made.command = (sys.executable, "-c", code, str(made.port))
    return made


def looked(one: Part) -> Part:
    """Update the process and return it."""
    one.look()
    return one


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of which only those of the model and the log apply: `tagpulse up` replaces the rest."""
    return own_settings("127.0.0.1:1", tmp_path, model={"backend": "constant"})


def test_the_state_of_a_process_is_read(tmp_path: Path) -> None:
    one = part(tmp_path, _SERVER, counter="x_total")
    states = [one.state]
    one.start()
    try:
        states.append(one.state)
        assert states == ["waiting", "starting"]
        wait_until(lambda: looked(one).state == "running", 20, "it is ready")
        assert (one.total("x_total"), one.lag, one.last_line()) == (7, 5, "serving")
    finally:
        stop([one], 10)
    assert one.pid is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-27T22:19:08.379+00:00 info streams.worker: ready", "info streams.worker: ready"),
        ('ts=2026-11-27T22:19:08.379Z caller=tls.go:2 level=info msg="TLS is off." http2=false', "info TLS is off."),
        ("ts=2026-11-27T22:19:08.379Z caller=main.go:1 level=warn component=x msg=Listening at=1", "warn Listening"),
        ("anything else", "anything else"),
    ],
)
def test_the_last_line_of_a_log_is_shown_without_its_time(tmp_path: Path, line: str, shown: str) -> None:
    one = part(tmp_path, "")
    one.log.write_text(f"before\n{line}\n\n")
    assert one.last_line() == shown


def sample(posts: float, sentiment: str = "negative", hashtag: str = "poltwt") -> Sample:
    return Sample("tagpulse_posts_enriched_total", {"hashtag": hashtag, "sentiment": sentiment}, posts)


def test_the_mood_is_that_of_the_last_minutes() -> None:
    meter = MoodMeter()
    assert meter.hashtags() == {}
    meter.add([sample(10), sample(5, "neutral"), sample(40, hashtag="k9")], 0)
    assert meter.hashtags() == {
        "k9": SentimentTally(negative=40, neutral=0, positive=0),
        "poltwt": SentimentTally(negative=10, neutral=5, positive=0),
    }
    meter.add([sample(10), sample(9, "neutral"), sample(40, hashtag="k9")], 100)
    meter.add([sample(12), sample(9, "neutral"), sample(40, hashtag="k9")], 500)
    assert meter.hashtags() == {"poltwt": SentimentTally(negative=2, neutral=0, positive=0)}
    meter.add([sample(1)], 501)  # the worker was restarted
    assert meter.hashtags() == {"poltwt": SentimentTally(negative=1, neutral=0, positive=0)}


def test_the_sample_day_ends_now(tmp_path: Path) -> None:
    now = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    path = tmp_path / "day.jsonl"
    day = recent_day(now)
    write_day(day, path)
    read = [decode_raw(text) for text in path.read_bytes().splitlines()]
    assert len(read) == len(day)
    times = [message.created_at if isinstance(message, Post) else message.deleted_at for message in read]
    assert now - timedelta(minutes=5) < max(times) <= now
    assert min(times) > now - timedelta(hours=12, minutes=5)
    assert any(isinstance(message, Deletion) for message in read)


def test_prometheus_scrapes_the_processes(tmp_path: Path) -> None:
    program("prometheus", "prometheus")
    configuration = tmp_path / "configuration"
    configuration.mkdir()
    (configuration / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs: [{job_name: tagpulse, file_sd_configs: [{files: [targets/tagpulse.yml]}]}]\n"
    )
    one = part(tmp_path, _SERVER)
    parts = [one, *monitoring(tmp_path / "monitoring", [one], configuration)]
    try:
        for each in parts:
            each.start()
        wait_until(lambda: {looked(each).state for each in parts} == {"running"}, 60)
        prometheus = parts[1]
        targets = wait_until(lambda: _up_targets(prometheus), 30, "Prometheus has scraped the targets")
        assert targets == [f"127.0.0.1:{one.port}"]
    finally:
        stop(parts, 20)


def _up_targets(prometheus: Part) -> list[str]:
    _, text = prometheus.ask("/api/v1/query?query=up==1")
    return [result["metric"]["instance"] for result in json.loads(text)["data"]["result"]] if text else []


def test_without_its_configuration_there_is_no_monitoring(tmp_path: Path) -> None:
    assert monitoring(tmp_path / "monitoring", [], tmp_path / "nowhere") == []


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
        wait_until(lambda: "enrich starting" in up.stdout, 60, "a line")
        assert "kafka: 127.0.0.1:" in up.stdout
        assert "postgres: postgresql://" in up.stdout
        started = children(up.pid)
        assert len(started) >= 6  # the broker, the database, and at least four processes of tagpulse
        up.interrupt()
        assert up.wait(40) == 0
        assert [pid for pid in started if is_alive(pid)] == []
    assert list(temporary.iterdir()) == []


def test_the_screen_shows_a_hostile_log_line_as_text(tmp_path: Path) -> None:
    up = Up(tmp_path / "trial", TrialOptions(source="sample"))
    one = part(tmp_path, "")
    one.log.write_text("\x1b[2J[red]boo[/red] \u202e\n")
    up.parts = [one, part(tmp_path, "")]
    up.mood.add([sample(3), sample(1, "positive", hashtag="\x1b[31m<b>")], 0)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(screen(up))
    shown = console.export_text()
    assert "[red]boo[/red]" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "100% negative" in shown
    assert "one waiting" in line(up)
