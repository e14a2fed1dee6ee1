"""The last line of a failed command gives the reason, whatever untrusted text the error contains."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import pytest

from streams import cli
from streams.errors import Unavailable
from streams.settings import Settings
from tests.helpers import x
from tests.helpers.brokers import own_settings
from tests.helpers.processes import run_tagpulse
from tests.streams.compare.two_runs import enriched, write_run
from tests.streams.text.test_terminal import HOSTILE, STEERING


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


def _run_failing(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Run a command that raises the error, and return its exit code and what it wrote to standard error."""

    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(cli, "group", failing)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    return ended.value.code, capsys.readouterr().err


def test_a_tagpulse_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, written = _run_failing(Unavailable(f"the server says\n{HOSTILE}\ntagpulse: forged"), monkeypatch, capsys)
    assert code == 69
    assert written.endswith("\n")
    (line,) = written.splitlines()
    assert line.startswith(r"tagpulse: the server says \x1b[2J \x07\x7f forged \x9b31m \u202etxt\u2066")
    assert not STEERING.search(written)


def test_a_traceback_is_safe_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, written = _run_failing(ValueError(f"cannot read {HOSTILE}"), monkeypatch, capsys)
    assert code == 70
    assert not STEERING.search(written)
    *trace, last = written.splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == r"ValueError: cannot read \x1b[2J \x07\x7f \x85forged \x9b31m \u2028\u202etxt\u2066"
    assert last == "tagpulse: internal error, see the traceback above"


async def test_a_query_that_fails_on_a_post(settings: Settings, tmp_path: Path) -> None:
    await write_run(tmp_path / "lake", "live", [enriched("1", "neutral", text=f"{HOSTILE}\n\nLINE 1: x" + "y" * 2_000)])
    done = run_tagpulse("query", "select text::int from posts", settings=settings)
    assert done.returncode == 65
    (line,) = done.stderr.splitlines()
    assert line.startswith("tagpulse: the query failed: Conversion Error: Could not convert string")
    assert len(line) < 700
    assert not STEERING.search(line)


async def test_an_error_message_from_a_server(settings: Settings, tmp_path: Path) -> None:
    async with x.x((403, HOSTILE.encode(), {})) as server:
        arguments = ("record", "x", "--tag", "poltwt", "--to", tmp_path / "day.zst")
        env = {"TAGPULSE_X__URL": server.url, "TAGPULSE_X__TOKEN": x.TOKEN}
        done = await asyncio.to_thread(run_tagpulse, *arguments, settings=settings, env=env)
    assert done.returncode == 77
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tagpulse: ")
    assert "403" in last
    assert r"\x1b[2J" in last
    assert not STEERING.search(done.stderr)
