"""The progress lines and the final report of the demo."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from math import inf
from pathlib import Path

import pytest
from rich.console import Console

from streams.demo.play import prepare
from streams.demo.report import progress_line, report
from streams.demo.summary import DaySummary, Shared
from streams.demo.tally import TurningPoint
from streams.sample_day import START
from streams.up.mood import SentimentTally
from tests.streams.demo.day import CAMPAIGN, HOSTILE, filled_play

SHARED = Shared(text=HOSTILE, author="a", language="en", sentiment="negative", reposts=3)
INCOMPLETE = DaySummary(
    produced=10,
    enriched=8,
    deletions=0,
    dead=1,
    dead_by_reason={"malformed": 1},
    missing=1,
    duplicates=0,
    posts=8,
    stored=8,
    seconds=60.0,
    seconds_to_first_enriched=5.0,
    speed=720.0,
    model="test 1",
    hashtags={},
    languages={},
    topics={},
    campaign_topics={},
    hours={START: SentimentTally(1, 2, 3)},
    turn=None,
    most_shared=(SHARED,),
)
COMPLETE = replace(INCOMPLETE, produced=1_009, enriched=1_008, missing=0)


def shown(summary: DaySummary, keep: Path | None = None) -> str:
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(report(summary, keep))
    return console.export_text()


def test_the_report_is_safe_and_says_when_something_is_missing() -> None:
    text = shown(INCOMPLETE)
    assert "INCOMPLETE" in text
    assert "1 records are neither" in text
    assert not any(character in text for character in "\x1b\x07\x9b\u202e\u2066\r")
    json.dumps(INCOMPLETE.to_json())


def test_a_complete_day_has_its_counts() -> None:
    text = shown(COMPLETE)
    assert "1,009 records of the sample day in 60 s, the first post enriched after 5.0 s: nothing lost" in text
    assert "1,008 enriched, 0 deletions, 1 dead letters (1 malformed)" in text
    assert "the lake contains 8 of 8 distinct posts" in text
    assert "model test 1" in text
    assert "are neither" not in text


def test_what_did_not_happen_is_not_reported() -> None:
    text = shown(replace(COMPLETE, dead=0, dead_by_reason={}, seconds_to_first_enriched=None, most_shared=()))
    assert "0 dead letters (none)" in text
    assert "in 60 s: nothing lost" in text
    assert "Most shared" not in text
    assert "The mood did not turn." in text


def test_each_hour_has_its_posts_and_its_mood() -> None:
    hours = {START: SentimentTally(1, 2, 1), START + timedelta(hours=1): SentimentTally(1_500, 0, 500)}
    lines = shown(replace(COMPLETE, hours=hours)).splitlines()
    first, second = (next(line for line in lines if line.startswith(f"{hour:%H:%M}")).split() for hour in hours)
    assert first == [f"{START:%H:%M}", "4", "▇" * 40, "25%"]
    assert second[1:] == ["2,000", "▇" * 40, "75%"]


def test_the_turn_is_given_in_utc() -> None:
    turn = TurningPoint(START, START + timedelta(minutes=30), share=0.8, usual=0.21)
    times = f"from {START:%H:%M} to {START + timedelta(minutes=30):%H:%M} UTC"
    text = shown(replace(COMPLETE, turn=turn))
    assert f"The mood turned {times}: 80% of the posts were negative, 21% in the rest of the day." in text


@pytest.mark.parametrize(("length", "shown_length"), [(70, 70), (71, 70)])
def test_long_posts_are_cut(length: int, shown_length: int) -> None:
    [line] = [
        line
        for line in shown(replace(COMPLETE, most_shared=(replace(SHARED, text="x" * length),))).splitlines()
        if "xxx" in line
    ]
    text = line.split()[-1]
    assert (len(text), text.endswith("…")) == (shown_length, length > 70)
    assert line.split()[:4] == ["3", "x", "en", "negative"]


def test_the_next_step_asks_the_kept_lake(tmp_path: Path) -> None:
    kept = shown(COMPLETE, Path("/kept")).replace("\n", "")
    assert "TAGPULSE_LAKE__PATH=/kept/lake tagpulse query" in kept
    assert "--keep" not in kept
    assert "tagpulse demo --keep ./demo" in shown(COMPLETE)


def test_before_the_first_post_the_progress_shows_the_parts(tmp_path: Path) -> None:
    play = prepare(tmp_path / "demo", kind="embedded", campaign=CAMPAIGN, speed=inf, started=0.0)
    play.now = 3.21
    play.stage.part("enrich").detail = "loading the model"
    assert progress_line(play).plain == "  3.2 s  produce waiting, enrich loading the model, store-parquet waiting"


def test_after_the_first_post_the_progress_shows_the_day(tmp_path: Path) -> None:
    play = filled_play(tmp_path / "demo")
    assert play.tally.mood == SentimentTally(negative=332, neutral=0, positive=870)
    assert progress_line(play).plain == (
        " 44.0 s  day 19:59 (80%)  0 produced, 1202 enriched (64/s), 900 stored, 1 dead letters; "
        "negative 28%, neutral 0%, positive 72%"
    )
