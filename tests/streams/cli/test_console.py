"""Tables are as wide as the terminal, and are not broken without one."""

from __future__ import annotations

import io
import sys

import pytest
from rich.table import Table

from streams.cli.console import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_wide_row_is_not_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("name", "text")
    table.add_row("a", "x" * 150)
    console().print(table)
    assert "x" * 150 in capsys.readouterr().out


def test_a_terminal_determines_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert console().width == 72


def test_it_writes_to_the_current_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", first)
    console().print("one")
    monkeypatch.setattr(sys, "stdout", second)
    console().print("two")
    assert (first.getvalue(), second.getvalue()) == ("one\n", "two\n")
