"""The counts, the live view and the report of the demo."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from importlib.resources import files
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.samples import Sample
from rich.cells import cell_len
from rich.console import Console

from streams.contracts import (
    SENTIMENTS,
    CampaignScore,
    DeadLetter,
    Deletion,
    EnrichedPost,
    Language,
    ModelInfo,
    Post,
    Sentiment,
    SentimentLabel,
    TopicScore,
    encode,
)
from streams.demo.play import prepare
from streams.demo.report import report
from streams.demo.state import Play
from streams.demo.summary import DaySummary, Shared
from streams.demo.tally import SLOT, Tally, find_turn
from streams.demo.view import render
from streams.sample_day import END, SPIKE, START
from streams.text.terminal import plain
from streams.up.mood import SentimentTally
from streams.up.stage import STORED

CAMPAIGN = Path(str(files("streams.sample_day") / "poltwt.toml"))
HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]boo[/red]\u202etxet\u2066\r\nnew line\x9b31m #poltwt"


def enriched(
    number: int, label: SentimentLabel = "neutral", *, text: str = "Hello #poltwt", at: datetime = START, **fields: Any
) -> EnrichedPost:
    shares = {name: 0.9 if name == label else 0.05 for name in SENTIMENTS}
    return EnrichedPost(
        post=Post(source="test", id=str(number), text=text, created_at=at, hashtags=("poltwt",), **fields),
        language=Language(code="en", score=0.9),
        sentiment=Sentiment(label=label, **shares),
        topics=(TopicScore(name="news_&_social_concern", score=0.8),),
        campaign=CampaignScore(name="police dogs", score=0.7),
        model=ModelInfo(name="test", version="1"),
        enriched_at=END,
    )


def dead_letter(offset: int, error: str = "broken") -> DeadLetter:
    return DeadLetter(
        topic="posts.raw",
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=None,
        value=b"{",
        headers=(),
        reason="malformed",
        error=error,
        attempts=1,
        failed_at=END,
    )


def test_a_tally_counts_each_version_once_and_names_missing_records() -> None:
    tally = Tally(START, END)
    posts = [enriched(number) for number in range(4)]
    edit = enriched(0, "positive", edited_at=START + timedelta(minutes=1))
    deletion = Deletion(source="test", id="1", deleted_at=END)
    raw = [*(encode(message.post) for message in (*posts, edit)), encode(deletion), b"{"]
    for offset, value in enumerate(raw):
        tally.add_raw("posts.raw", 0, offset, value, ())
    assert tally.produced == 7
    assert len(tally.missing()) == 7
    for message in (posts[0], posts[0], posts[1], posts[2], edit, deletion, deletion):
        tally.add_enriched(encode(message), ())
    assert (tally.enriched, tally.edits, tally.deletions, tally.duplicates) == (4, 1, 1, 2)
    assert tally.missing() == ["posts.raw[0]@3", "posts.raw[0]@6"]
    tally.add_enriched(encode(posts[3]), ())
    tally.add_dead(encode(dead_letter(6)), ())
    tally.add_dead(encode(dead_letter(6)), ())
    assert tally.missing() == []
    assert (tally.dead, tally.duplicates, tally.reasons) == (1, 3, {"malformed": 1})
    assert tally.kept_posts == 3
    assert tally.mood == SentimentTally(neutral=4)
    assert tally.produced == tally.enriched + tally.deletions + tally.dead


def test_an_edit_and_the_post_it_changes_are_checked_separately() -> None:
    tally = Tally(START, END)
    post = enriched(1)
    edit = enriched(1, edited_at=END)
    tally.add_raw("posts.raw", 0, 0, encode(post.post), ())
    tally.add_raw("posts.raw", 0, 1, encode(edit.post), ())
    tally.add_enriched(encode(edit), ())
    assert tally.missing() == ["posts.raw[0]@0"]


@pytest.mark.parametrize(
    ("negative", "expected"),
    [
        ([2, 2, 2, 2, 2, 2], None),
        ([2, 2, 15, 18, 2, 2], (2, 4)),
        ([12, 2, 2, 18, 2, 2], (3, 4)),
        ([0, 0, 0, 0, 0, 0], None),
        ([0, 0, 4, 0, 0, 0], None),
    ],
    ids=["even", "wave", "the larger of two waves", "no anger", "a handful"],
)
def test_the_turning_point_is_the_largest_wave_of_anger(negative: list[int], expected: tuple[int, int] | None) -> None:
    turn = find_turn(START, [SentimentTally(negative=count, neutral=20 - count) for count in negative])
    if expected is None:
        assert turn is None
    else:
        assert turn is not None
        assert ((turn.begin - START) / SLOT, (turn.end - START) / SLOT) == expected
        assert turn.share > 2 * turn.usual


@given(st.text())
@example(HOSTILE)
@example("a" + "\u0301" * 50)
def test_a_text_cannot_control_the_terminal(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert not any(character in shown for character in "\x1b\x07\x9b\u202e\u2066\u200d\n\r")
    assert "\u0301" * 4 not in shown


def test_every_script_stays_readable() -> None:
    for text in ("Grüße 🐶 #poltwt", "警察犬 かわいい", "سُرقت دراجة", "हिन्दी में", "Спасибо"):
        assert plain(text) == text


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """The state of a demo after two hostile posts and a hostile dead letter, without running processes."""
    made = prepare(tmp_path / "demo", kind="embedded", campaign=CAMPAIGN, speed=720, started=0.0)
    made.messages, made.first_enriched, made.now = 1_500, 5.0, 44.0
    made.stage.part("enrich").rate = 64.0
    made.stage.part("store-parquet").samples = [Sample(STORED, {}, 900)]
    tally = made.tally
    for number in range(300):
        at = START + timedelta(minutes=2 * number)
        wave = SPIKE[0] <= at < SPIKE[1]
        for copy in range(4):
            label: SentimentLabel = "negative" if wave or copy == 0 else "positive"
            tally.add_enriched(encode(enriched(number * 4 + copy, label, at=at)), ())
    late = END - timedelta(minutes=1)
    tally.add_enriched(encode(enriched(9_000, "negative", text=HOSTILE, at=late)), ())
    tally.add_enriched(encode(enriched(9_001, "negative", text="[bold]" + "警" * 200, at=late)), ())
    tally.add_dead(encode(dead_letter(7, error=HOSTILE)), ())
    return made


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (112, 34), (200, 60)])
def test_the_view_fills_the_terminal_and_no_more(play: Play, width: int, height: int) -> None:
    lines = shown(play, width, height).splitlines()
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


def test_the_view_shows_what_matters(play: Play) -> None:
    screen = shown(play, 100, 30)
    for text in (
        "#poltwt",
        "police dogs",
        "news & social",
        "the mood turned",
        "15:40 to 16:00",
        "1,202 posts",
        "64 posts/s",
        "19:59",
        "1 dead letters (1 malformed)",
        "posts.raw[0]@7",
        "store 900",
    ):
        assert text in screen
    assert "[red]boo[/red]" in shown(play, 200, 60)


def test_posts_cannot_send_control_characters_through_the_view(play: Play) -> None:
    for width in (80, 100, 200):
        screen = shown(play, width, 40)
        assert not any(character in screen for character in "\x1b\x07\x9b\u202e\u2066\r")


def test_the_view_is_complete_before_the_first_post(tmp_path: Path) -> None:
    screen = shown(prepare(tmp_path / "demo", kind="embedded", campaign=CAMPAIGN, speed=inf, started=0.0), 100, 30)
    assert "as fast as possible" in screen
    assert "the mood turned" not in screen


def shown(play: Play, width: int, height: int) -> str:
    console = Console(record=True, width=width, height=height, file=io.StringIO())
    console.print(render(play, width, height), height=height, end="")
    return console.export_text().removesuffix("\n")


def test_the_report_is_safe_and_says_when_something_is_missing() -> None:
    summary = DaySummary(
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
        most_shared=(Shared(text=HOSTILE, author="a", language="en", sentiment="negative", reposts=3),),
    )
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(report(summary, None))
    text = console.export_text()
    assert "INCOMPLETE" in text
    assert "1 records are neither" in text
    assert not any(character in text for character in "\x1b\x07\x9b\u202e\u2066\r")
    json.dumps(summary.to_json())
