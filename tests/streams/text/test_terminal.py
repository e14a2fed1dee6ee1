"""Output on a terminal, as text or JSON: posts are readable and cannot inject escape sequences."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import Result
from hypothesis import example, given
from hypothesis import strategies as st

from streams.settings import Settings
from streams.text.terminal import json_text, one_line, plain
from tests.helpers.brokers import ROOT, own_settings
from tests.helpers.commands import invoke
from tests.streams.cli.test_spikes import lines
from tests.streams.compare.two_runs import enriched, write_run
from tests.streams.demo.day import HOSTILE as HOSTILE_POST

HOSTILE = "\x1b[2J \x07\x7f \x85forged \x9b31m \u2028\u202etxt\u2066"
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Without the line break, which ends every line of output."""


@given(st.text(st.characters()))
def test_json_preserves_every_text_and_is_safe_for_terminals(text: str) -> None:
    for indent in (None, 2):
        shown = json_text({"text": text, text: [text]}, indent=indent)
        assert shown.replace("\n", "").isprintable()
        assert json.loads(shown) == {"text": text, text: [text]}
    assert json_text(text).isprintable()


@given(st.text(st.characters()))
def test_one_line_is_always_one_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert not STEERING.search(shown.replace("\t", ""))
    shown.encode()


@given(st.text())
@example(HOSTILE_POST)
@example("a" + "\u0301" * 50)
def test_a_text_cannot_control_the_terminal(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert not any(character in shown for character in "\x1b\x07\x9b\u202e\u2066\u200d\n\r")
    assert "\u0301" * 4 not in shown


def test_every_script_stays_readable() -> None:
    for text in ("Grüße 🐶 #poltwt", "警察犬 かわいい", "سُرقت دراجة", "हिन्दी में", "Спасибо"):
        assert plain(text) == text


def test_readable_text_is_unchanged() -> None:
    text = "Größe\t🐕\u200d🦺 हिन्दी شكرا می\u200cخواهم"
    assert one_line(text) == text
    assert json_text("Größe 🐕 हिन्दी شكرا") == '"Größe 🐕 हिन्दी شكرا"'


def test_json_accepts_structs_dataclasses_and_times() -> None:
    class Inner(msgspec.Struct):
        at: datetime

    @dataclass
    class Outer:
        inner: Inner

    at = datetime(2026, 6, 20, tzinfo=UTC)
    assert json_text([Outer(Inner(at)), at]) == '[{"inner": {"at": "2026-06-20T00:00:00Z"}}, "2026-06-20T00:00:00Z"]'


def test_every_command_writes_json_with_json_text() -> None:
    others = re.compile(r"json\.dumps|json\.encode|json\.format|import dumps|to_json\(\)\)$", re.MULTILINE)
    found = [path.name for path in (ROOT / "streams" / "cli").glob("*.py") if others.search(path.read_text())]
    assert found == []


def test_nothing_writes_csv() -> None:
    writes = re.compile(r"csv\.(writer|DictWriter)|(to|write)_csv|format csv|\(.*'csv'", re.IGNORECASE)
    sources = [path for package in ("streams", "models") for path in (ROOT / package).rglob("*.py")]
    assert [path.name for path in sources if writes.search(path.read_text())] == []


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    settings = own_settings("127.0.0.1:1", tmp_path)
    live = enriched("1", "neutral", text=HOSTILE, hashtags=(HOSTILE,), topics=(HOSTILE,), campaign=HOSTILE)
    await write_run(tmp_path / "lake", "live", [live])
    await write_run(tmp_path / "lake", "again", [enriched("1", "negative", text=HOSTILE)])
    return settings


def _harmless(result: Result) -> str:
    assert not STEERING.search(result.stdout), ascii(result.stdout)
    return result.stdout


async def test_queries(settings: Settings) -> None:
    asked = "select text, hashtags, {'a': text} as nested from posts where run = 'live'"
    shown = json.loads(_harmless(invoke("query", "--json", asked, settings=settings)))
    assert shown == {"text": HOSTILE, "hashtags": [HOSTILE], "nested": {"a": HOSTILE}}
    _harmless(invoke("query", asked, settings=settings))
    pivot = "pivot (select text from posts) on text using count(*)"
    pivoted = _harmless(invoke("query", "--unlocked", pivot, settings=settings))
    assert "x1b[2J" in pivoted, "the text of a post is the name of a column"


async def test_comparisons(settings: Settings) -> None:
    shown = json.loads(_harmless(invoke("compare", "live", "again", "--json", settings=settings)))
    assert shown["changed"][0]["text"] == HOSTILE


def test_spikes(settings: Settings, tmp_path: Path) -> None:
    (path := tmp_path / "day.jsonl").write_text(lines(HOSTILE))
    shown = _harmless(invoke("spikes", "--minutes", str(path), "--json", settings=settings))
    assert json.loads(shown)["hashtag"] == HOSTILE


def test_the_report_of_forget(settings: Settings) -> None:
    arguments = ("forget", "--author", f"x:{HOSTILE}", "--sink", "parquet", "--execute")
    assert json.loads(_harmless(invoke(*arguments, settings=settings)))["authors"][0]["name"] == HOSTILE
