"""The state, the metrics and the last log line of a process of a trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.processes.process import stop
from streams.up import part as module
from streams.up.part import Part
from tests.helpers.processes import wait_until
from tests.streams.up.parts import SERVER, looked, part


def test_the_state_of_a_process_is_read(tmp_path: Path) -> None:
    one = part(tmp_path, SERVER, counter="x_total")
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


@pytest.mark.parametrize("content", [None, "", "\n \n\t\n"])
def test_a_log_without_a_line_has_no_last_line(tmp_path: Path, content: str | None) -> None:
    one = part(tmp_path, "")
    if content is not None:
        one.log.write_text(content)
    assert one.last_line() == ""


def test_the_last_line_of_a_long_log_is_found(tmp_path: Path) -> None:
    one = part(tmp_path, "")
    one.log.write_bytes(b"x" * 100_000 + b"\n2026-11-27T22:19:08.379+00:00 the end \xff\n")
    assert one.last_line() == "the end \ufffd"


class Scraped(Part):
    """A running part whose pages are these texts."""

    running = True

    def __init__(self, folder: Path) -> None:
        super().__init__("one", (), folder / "one.log", counter="x_total")
        self.metrics: str | None = ""

    def ask(self, path: str) -> tuple[int, str]:
        return (0, "") if self.metrics is None else (200, self.metrics if path == "/metrics" else "ready")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float, str | None], Scraped]:
    """Return a function that shows a part its metrics at a time, and returns the part."""
    one, clock = Scraped(tmp_path), SimpleNamespace(now=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def look(at: float, metrics: str | None) -> Scraped:
        clock.now, one.metrics = at, metrics
        one.look()
        return one

    return look


def test_the_rate_covers_the_last_seconds(measured: Callable[[float, str | None], Scraped]) -> None:
    def rate(at: float, total: int) -> float:
        return measured(at, f"x_total {total}\n").rate

    assert rate(100.0, 1_000) == 0.0, "nothing to compare with"
    assert rate(101.0, 1_010) == 10.0
    assert rate(102.0, 1_030) == 15.0
    assert rate(106.0, 1_070) == 10.0, "over the last 4 seconds"
    assert rate(107.0, 0) == 0.0, "the counter began again"


def test_the_counts_of_all_labels_are_added(measured: Callable[[float, str | None], Scraped]) -> None:
    page = 'x_total{a="1"} 2\nx_total{a="2"} 3\n# TYPE tagpulse_consumer_lag gauge\n'
    one = measured(0.0, page + 'tagpulse_consumer_lag{partition="0"} 5\ntagpulse_consumer_lag{partition="1"} 6\n')
    assert (one.total("x_total"), one.total("never"), one.lag) == (5, 0, 11)


def test_an_unanswered_request_changes_nothing(measured: Callable[[float, str | None], Scraped]) -> None:
    measured(0.0, "x_total 1\n")
    measured(1.0, "x_total 3\n")
    one = measured(2.0, None)
    assert (one.rate, one.total("x_total"), one.lag) == (2.0, 3, None)


def test_a_part_that_has_ended_has_no_rate(measured: Callable[[float, str | None], Scraped]) -> None:
    measured(0.0, "x_total 1\n")
    one = measured(1.0, "x_total 3\n")
    one.running = False
    assert measured(2.0, "x_total 5\n").rate == 0.0
    one.running = True
    assert measured(3.0, "x_total 1\n").rate == 0.0, "what was before does not count"
    assert measured(4.0, "x_total 4\n").rate == 3.0


def test_the_address_points_to_the_metrics_if_there_are_any(tmp_path: Path) -> None:
    without, counted = part(tmp_path, ""), part(tmp_path, "", counter="x_total")
    assert without.url == f"http://127.0.0.1:{without.port}"
    assert counted.url == f"http://127.0.0.1:{counted.port}/metrics"
    assert without.port != counted.port
