"""The screen, the line and the JSON object of a trial, without running processes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from prometheus_client.samples import Sample
from rich.console import Console

from streams.processes.process import State
from streams.up.part import Part
from streams.up.stage import TrialOptions, Up
from streams.up.view import line, screen, sign, status
from tests.streams.up.parts import part, sample


class Made(Part):
    """A part whose state the test sets."""

    state: State = "running"


@pytest.fixture
def up(tmp_path: Path) -> Up:
    """A trial with two parts: one is running, the other has died."""
    trial = Up(tmp_path / "trial", TrialOptions(source="sample"))
    busy, dead = (Made(name, (), tmp_path / f"{name}.log") for name in ("enrich", "watch"))
    busy.rate, busy.samples = 1_234.567, [Sample("tagpulse_consumer_lag", {}, 5_000)]
    dead.state, dead.restarts = "again", 3
    dead.log.write_text("2026-11-27T22:19:08.379+00:00 out of memory\n")
    trial.parts = [busy, dead]
    return trial


def shown(up: Up) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(screen(up))
    return console.export_text()


def row(text: str, first: str) -> list[str]:
    """Return the words of the line that begins with the word `first`."""
    [found] = [words for words in (line.strip("│ ").split() for line in text.splitlines()) if words[:1] == [first]]
    return found


def test_the_screen_shows_a_hostile_log_line_as_text(tmp_path: Path) -> None:
    up = Up(tmp_path / "trial", TrialOptions(source="sample"))
    one = part(tmp_path, "")
    one.log.write_text("\x1b[2J[red]boo[/red] \u202e\n")
    up.parts = [one, part(tmp_path, "")]
    up.mood.add([sample(3), sample(1, "positive", hashtag="\x1b[31m<b>")], 0)
    text = shown(up)
    assert "[red]boo[/red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "100% negative" in text
    assert "one waiting" in line(up)


def test_the_screen_has_a_row_for_each_process(up: Up) -> None:
    text = shown(up)
    busy, dead = up.parts
    assert row(text, "broker") == ["broker", "○", "waiting", f"{up.broker.port}"]
    assert row(text, "enrich") == ["enrich", "●", "running", f"{busy.port}", "1,234.6", "5,000"]
    assert row(text, "watch") == ["watch", "↻", "again", f"{dead.port}", "3", "out", "of", "memory"]
    assert row(text, "kafka") == ["kafka", up.broker.bootstrap_servers]
    assert row(text, "lake")[0] == "lake"
    assert "no posts yet" in text


def test_the_screen_has_the_most_frequent_hashtags(up: Up) -> None:
    samples = [sample(100 - number, hashtag=f"tag{number}") for number in range(9)]
    up.mood.add([*samples, sample(300, "positive", hashtag="tag0")], 0)
    text = shown(up)
    assert row(text, "#tag0") == ["#tag0", "400", "▇" * 30, "25%", "negative"]
    assert row(text, "#tag7")[:2] == ["#tag7", "93"]
    assert "#tag8" not in text


def test_a_line_names_the_states_and_the_mood(up: Up) -> None:
    assert line(up) == "enrich running 1235/s lag 5000, watch again; 0 posts in 5 minutes"
    up.mood.add([sample(1), sample(3, "neutral", hashtag="k9")], 0)
    assert line(up).endswith("; 4 posts in 5 minutes, 25% negative")


def test_the_status_is_an_object_for_programs(up: Up) -> None:
    up.mood.add([sample(1), sample(3, "neutral")], 0)
    found = json.loads(json.dumps(status(up)))
    assert (found["source"], found["broker"]) == ("sample", {"pid": None, "port": up.broker.port})
    assert found["urls"] == up.urls()
    assert found["mood"] == {"poltwt": {"negative": 1, "neutral": 3, "positive": 0}}
    busy, dead = up.parts
    expected = {"pid": None, "restarts": 0, "rate": 0.0, "lag": None, "log": ""}
    assert found["processes"] == [
        expected | {"name": "enrich", "state": "running", "port": busy.port, "rate": 1234.57, "lag": 5_000},
        expected | {"name": "watch", "state": "again", "port": dead.port, "restarts": 3, "log": "out of memory"},
    ]


def test_a_hostile_log_line_is_harmless_in_the_status(up: Up) -> None:
    assert up.parts[0].log
    up.parts[0].log.write_text("\x1b[2J\u202e\n")
    assert status(up)["processes"][0]["log"] == "\\x1b[2J\\u202e"


@pytest.mark.parametrize(
    ("state", "shown"), [("waiting", "○"), ("starting", "◐"), ("running", "●"), ("again", "↻"), ("done", "✔")]
)
def test_each_state_has_its_sign(tmp_path: Path, state: State, shown: str) -> None:
    one = Made("one", (), tmp_path / "one.log")
    one.state = state
    assert sign(one).plain == f"{shown} "
    assert sign(one, "words").plain == f"{shown} words"
