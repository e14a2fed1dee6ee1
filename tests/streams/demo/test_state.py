"""The state of a running demo, from its parts and its tally."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from prometheus_client.samples import Sample

from streams.contracts import encode
from streams.demo.play import prepare
from streams.demo.state import Play
from streams.up.stage import STORED
from tests.streams.demo.day import CAMPAIGN, dead_letter, enriched


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return prepare(tmp_path / "demo", kind="embedded", campaign=CAMPAIGN, speed=inf, started=100.0)


def test_before_the_first_message_everything_is_zero(play: Play) -> None:
    assert (play.stored, play.rate, play.progress, play.first_enriched) == (0, 0.0, 0.0, None)


def test_the_parts_say_what_is_stored_and_how_fast(play: Play) -> None:
    play.stage.part("enrich").rate = 64.5
    play.stage.part("store-parquet").samples = [
        Sample(STORED, {"sink": "parquet"}, 900),
        Sample(STORED, {"sink": "other"}, 3),
        Sample("tagpulse_something_else", {}, 7),
    ]
    assert (play.rate, play.stored) == (64.5, 903)


def test_seconds_count_from_the_start(play: Play) -> None:
    play.now = 142.5
    assert play.seconds == 42.5


def test_enriched_posts_and_dead_letters_are_progress_but_never_more_than_all(play: Play) -> None:
    play.messages = 4
    for number in range(2):
        play.tally.add_enriched(encode(enriched(number)), ())
    assert play.progress == 0.5
    play.tally.add_dead(encode(dead_letter(7)), ())
    assert play.progress == 0.75
    for number in range(2, 9):
        play.tally.add_enriched(encode(enriched(number)), ())
    assert play.progress == 1.0
