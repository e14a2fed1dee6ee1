"""The live view fills the terminal, shows what matters, and is safe whatever the posts say."""

from __future__ import annotations

import io
from math import inf
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from streams.demo.play import prepare
from streams.demo.state import Play
from streams.demo.view import render
from tests.streams.demo.day import CAMPAIGN, filled_play


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return filled_play(tmp_path / "demo")


def shown(play: Play, width: int, height: int) -> str:
    console = Console(record=True, width=width, height=height, file=io.StringIO())
    console.print(render(play, width, height), height=height, end="")
    return console.export_text().removesuffix("\n")


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
