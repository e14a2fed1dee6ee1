"""`tagpulse compare`: tables, JSON and a page, in which hostile posts are harmless."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.processes import run_tagpulse
from tests.streams.compare.two_runs import enriched, write_run

HOSTILE = "\x1b[31m<script>alert('1')</script> [bold]x[/bold] \u202etxt & \"done\""
ARABIC = "شكرا للشرطة"
VOID = {"meta", "rect", "line", "circle"}


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    settings = own_settings("127.0.0.1:1", tmp_path)
    nasty = "<b>'\u202e\x1b[1m"
    live = [
        enriched("1", "neutral", text=HOSTILE, hashtags=(nasty,), topics=(nasty,), campaign=nasty, language=nasty),
        enriched("2", "positive", text=ARABIC, language="ar", emotions=("anger",)),
    ]
    again = [
        enriched("1", "negative", text=HOSTILE, hashtags=(nasty,), topics=(), version="<i>"),
        enriched("2", "negative", text=ARABIC, language="ar"),
    ]
    await write_run(settings.lake.path, "live", live)
    await write_run(settings.lake.path, "again", again)
    return settings


class _Page(HTMLParser):
    """The tags of a page with their attributes; parsing fails if a tag is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_tables_show_hostile_posts_harmlessly(settings: Settings) -> None:
    done = run_tagpulse("compare", "live", "again", settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\x1b[31m<script>" in done.stdout
    assert "[bold]x[/bold]" in done.stdout
    assert "constant 1 (openvino int8): 2 posts" in done.stdout
    assert "run again was made by 2 models" in done.stdout


async def test_the_page_is_self_contained_and_hostile_posts_are_harmless(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    done = run_tagpulse("compare", "live", "again", "--html", file, settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    source = file.read_text(encoding="utf-8")
    assert not {"\x1b", "\u202e"} & set(source)
    page = _Page(source)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "i"}
    attributes = {name for _, given in page.tags for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "srcdoc", "xlink:href")}
    assert "url(" not in source
    assert "@import" not in source
    assert any(tag == "meta" and "default-src 'none'" in (given.get("content") or "") for tag, given in page.tags)
    assert "<script>alert('1')</script>" in page.text
    assert "\\x1b[31m" in page.text
    assert ARABIC in page.text
    quotes = [given for tag, given in page.tags if tag == "blockquote"]
    assert quotes == [{"dir": "auto"}] * 2
    assert {"table", "svg", "circle"} <= names


async def test_runs_without_common_posts_have_a_page(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    await write_run(settings.lake.path, "live", [enriched("a")])
    await write_run(settings.lake.path, "again", [enriched("b")])
    file = tmp_path / "page.html"
    done = run_tagpulse("compare", "live", "again", "--html", file, settings=settings)
    assert done.returncode == 0, done.stderr
    assert "share no post" in done.stdout
    assert "share no post" in _Page(file.read_text(encoding="utf-8")).text


async def test_json_is_one_object_with_stable_keys(settings: Settings) -> None:
    arguments = ("--json", "--limit", "1", "--since", "2026-06-20", "--until", "2026-06-21")
    done = run_tagpulse("compare", "live", "again", *arguments, settings=settings)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    keys = "a b selection overlap warnings sentiment language topics emotions acts campaign daily changed"
    assert list(found) == keys.split()
    assert set(found["sentiment"]) == {"matrix", "agreement", "by_language", "mean_distance"}
    assert set(found["sentiment"]["agreement"]) == {
        "posts",
        "agreed",
        "share",
        "interval",
        "kappa",
        "kappa_interval",
        "few",
    }
    assert found["sentiment"]["matrix"] == {
        "labels": ["negative", "neutral", "positive"],
        "counts": [[0, 0, 0], [1, 0, 0], [1, 0, 0]],
    }
    for name, one in (("topics", "topic"), ("emotions", "emotion"), ("acts", "act")):
        assert set(found[name]) == {"posts", "agreed", "mean_kappa", "mean_kappa_interval", name}
        assert all(
            set(label) == {one, "kept", "lost", "gained", "kappa", "kappa_interval"} for label in found[name][name]
        )
    assert [label["emotion"] for label in found["emotions"]["emotions"]] == ["anger"]
    assert set(found["daily"]) == {"all", "hashtags", "languages"}
    day = "day group posts_a posts_b negative_a negative_b share_a share_b difference few causes"
    assert set(found["daily"]["all"][0]) == set(day.split())
    (post,) = found["changed"]
    assert post["text"] == HOSTILE
    assert (post["a"]["sentiment"], post["b"]["sentiment"]) == ("neutral", "negative")
    assert found["selection"] == {"since": "2026-06-20T00:00:00Z", "until": "2026-06-21T00:00:00Z", "hashtag": None}


async def test_wrong_input_is_reported(settings: Settings, tmp_path: Path) -> None:
    done = run_tagpulse("compare", "live", "never", settings=settings)
    assert (done.returncode, done.stdout) == (65, "")
    assert "available runs: again, live" in done.stderr
    done = run_tagpulse("compare", "live", "again", "--since", "soon", settings=settings)
    assert done.returncode == 2
    assert "2026-06-20T09:30:00Z" in done.stderr
    done = run_tagpulse("compare", "live", "again", "--html", tmp_path / "no" / "page.html", settings=settings)
    assert done.returncode == 65
    assert "cannot be written" in done.stderr
