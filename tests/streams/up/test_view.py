"""The screen, the line and the JSON object of a trial, without running processes."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from streams.up.stage import TrialOptions, Up
from streams.up.view import line, screen
from tests.streams.up.parts import part, sample


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
