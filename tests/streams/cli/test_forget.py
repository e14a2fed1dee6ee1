"""`tagpulse forget`: the requests to the sinks, the report, and failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, ClassVar, Self

import click
import pytest

from streams import plugins
from streams.errors import BadInput, Unavailable
from streams.privacy import pseudonym
from streams.settings import Settings
from streams.sinks.base import Author, Erasure, Flushed, Forgotten, PostKey, Row, Sink
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke

KEY = "a key of the campaign"
ANNA, BERT = Author("x", "anna"), Author("mastodon", "bert@example.org")


class Shelf(Sink):
    """An in-memory test sink that maps posts to their authors."""

    name = "shelf"
    posts: ClassVar[dict[PostKey, Author]] = {}
    calls: ClassVar[list[str]] = []
    fault: ClassVar[Exception | None] = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls()

    async def open(self) -> None:
        self.calls.append("open")

    async def write(self, rows: Sequence[Row]) -> None:
        raise NotImplementedError

    async def flush(self) -> Flushed:
        raise NotImplementedError

    async def close(self) -> None:
        self.calls.append("close")

    async def find(self, wanted: Erasure) -> Forgotten:
        self.calls.append("find")
        return self._matching(wanted)

    async def forget(self, wanted: Erasure) -> Forgotten:
        self.calls.append("forget")
        if self.fault is not None:
            raise self.fault
        found = self._matching(wanted)
        for post in [*found.posts, *(found.reposts if wanted.reposts == "remove" else ())]:
            del self.posts[post]
        return found

    def _matching(self, wanted: Erasure) -> Forgotten:
        gone = [post for post, author in self.posts.items() if author in wanted.authors or post in wanted.posts]
        return Forgotten(gone, [post for post in self.posts if post.id == "of 1" and PostKey("x", "1") in gone])


class Other(Shelf):
    """A sink that does not support forgetting posts."""

    name = "other"

    async def find(self, wanted: Erasure) -> Forgotten:
        return await Sink.find(self, wanted)

    async def forget(self, wanted: Erasure) -> Forgotten:
        return await Sink.forget(self, wanted)


@pytest.fixture(autouse=True)
def _shelves(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "tests.streams.cli.test_forget"
    points = EntryPoints(
        EntryPoint(kind.name, f"{module}:{kind.__name__}", "tagpulse.sinks") for kind in (Shelf, Other)
    )
    monkeypatch.setattr(plugins, "entry_points", lambda **wanted: points.select(**wanted))
    load = EntryPoint.load
    own = {"shelf": Shelf, "other": Other}  # not those of a second import of this module
    monkeypatch.setattr(EntryPoint, "load", lambda point: own.get(point.name) or load(point))
    posts = {PostKey("x", "1"): ANNA, PostKey("x", "2"): ANNA, PostKey("mastodon", "1"): BERT}
    hidden = {PostKey("x", "3"): Author("x", pseudonym("x", "anna", KEY.encode()))}
    namesake = {PostKey("mastodon", "2"): Author("mastodon", "anna")}
    repost = {PostKey("x", "of 1"): Author("x", "carl")}
    monkeypatch.setattr(Shelf, "posts", posts | hidden | namesake | repost)
    monkeypatch.setattr(Shelf, "calls", [])
    monkeypatch.setattr(Shelf, "fault", None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


def left() -> set[tuple[str, str]]:
    return {(post.source, post.id) for post in Shelf.posts}


def forget(settings: Settings, *arguments: str, code: int = 0) -> dict[str, Any]:
    stdout = invoke("forget", "--sink", "shelf", *arguments, "--execute", settings=settings, code=code).stdout
    report: dict[str, Any] = json.loads(stdout)
    return report


def test_a_plan_removes_nothing(settings: Settings) -> None:
    shown = invoke("forget", "--author", "x:anna", "--post", "mastodon:1", "--sink", "shelf", settings=settings).stdout
    assert "all posts of the author x:anna" in shown
    assert "the post mastodon:1" in shown
    assert "shelf: 3 posts to be removed, 1 reposts of them to be removed" in shown
    assert "add --execute" in shown
    assert Shelf.calls == ["open", "find", "close"]
    assert len(left()) == 6


def test_every_sink_is_asked_unless_some_are_named(settings: Settings) -> None:
    shown = invoke("forget", "--author", "x:anna", settings=settings, code=1).stdout
    assert "to forget in other, parquet, shelf:" in shown
    assert "other: failed: the sink other cannot forget posts" in shown
    with pytest.raises(BadInput, match="no sink 'mongo'"):
        invoke("forget", "--author", "x:anna", "--sink", "mongo", settings=settings)


def test_an_author_and_a_post_are_removed_and_reported(settings: Settings) -> None:
    report = forget(settings, "--author", "x:anna", "--post", "mastodon:1")
    assert left() == {("x", "3"), ("mastodon", "2")}, "the name on another network is another person"
    assert report["authors"] == [{"source": "x", "name": "anna"}]
    assert report["posts"] == [{"source": "mastodon", "id": "1"}]
    removed = [{"source": "mastodon", "id": "1"}, {"source": "x", "id": "1"}, {"source": "x", "id": "2"}]
    reposts = [{"source": "x", "id": "of 1"}]
    assert report["reposts"] == "remove"
    assert report["sinks"] == [{"sink": "shelf", "removed": removed, "reposts": reposts, "error": None}]
    assert report["at"].endswith("Z")
    assert Shelf.calls == ["open", "forget", "close"]
    assert forget(settings, "--author", "x:anna")["sinks"][0]["removed"] == []


def test_with_a_key_the_pseudonym_is_found_too(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path, privacy={"author_key": KEY})
    report = forget(settings, "--author", "x:Anna", "--author", "x:anna")
    assert left() == {("mastodon", "1"), ("mastodon", "2")}
    assert len(report["sinks"][0]["removed"]) == 3
    assert KEY not in json.dumps(report)


def test_the_report_goes_to_a_file(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "forgotten.json"
    ended = invoke(
        "forget", "--sink", "shelf", "--author", "x:anna", "--execute", "--report", str(path), settings=settings
    )
    assert ended.stdout == ""
    assert "shelf: 2 posts removed, 1 reposts of them removed" in ended.stderr
    assert len(json.loads(path.read_text())["sinks"][0]["removed"]) == 2


def test_reposts_can_be_kept_without_their_text(settings: Settings) -> None:
    arguments = ("forget", "--sink", "shelf", "--author", "x:anna", "--reposts", "clear")
    planned = "1 reposts of them to be cleared of their text"
    assert planned in invoke(*arguments, settings=settings).stdout
    ended = invoke(*arguments, "--execute", settings=settings)
    assert "shelf: 2 posts removed, 1 reposts of them cleared of their text" in ended.stderr
    assert json.loads(ended.stdout)["reposts"] == "clear"
    assert ("x", "of 1") in left()


def test_nothing_is_removed_if_the_report_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    missing = str(tmp_path / "no" / "folder.json")
    with pytest.raises(BadInput, match="cannot write the report"):
        invoke("forget", "--sink", "shelf", "--author", "x:anna", "--execute", "--report", missing, settings=settings)
    assert Shelf.calls == []


@pytest.mark.parametrize("fault", [Unavailable("the server is away"), RuntimeError("a fault")])
def test_a_failing_sink_is_reported_and_sets_the_exit_code(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(Shelf, "fault", fault)
    report = forget(settings, "--author", "x:anna", code=1)
    assert report["sinks"] == [{"sink": "shelf", "removed": [], "reposts": [], "error": str(fault)}]
    assert Shelf.calls[-1] == "close"


def test_a_sink_that_cannot_forget_does_not_stop_the_others(settings: Settings) -> None:
    report = forget(settings, "--author", "x:anna", "--sink", "other", code=1)
    assert [bool(sink["error"]) for sink in report["sinks"]] == [False, True]
    assert "cannot forget posts" in report["sinks"][1]["error"]
    assert ("x", "1") not in left()


@pytest.mark.parametrize("arguments", [(), ("--author", "anna"), ("--post", "x:"), ("--author", ":anna")])
def test_wrong_usage_is_reported(settings: Settings, arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        invoke("forget", *arguments, settings=settings)
