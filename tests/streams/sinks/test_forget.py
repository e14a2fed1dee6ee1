"""An erasure is asked of each sink in turn, and a failure of one is reported without stopping the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError, Unavailable
from streams.privacy import pseudonym, pseudonymised_id
from streams.settings import Settings
from streams.sinks.base import Author, Erasure, Flushed, Forgotten, PostKey, Row, Sink
from streams.sinks.forget import Removal, erasure_of, forget

KEY = b"a key of the campaign"
EVE = Author("mastodon", "eve@m.example")
POST = PostKey("bluesky", "did:plc:e/k")
A, B, C = (PostKey("test", name) for name in "abc")


class Shelf(Sink):
    """A sink that finds three posts, or fails."""

    def __init__(self, name: str, fault: Exception | None = None, at: str = "forget") -> None:
        self.name = name  # type: ignore[misc]
        self.calls: list[str] = []
        self._fault, self._at = fault, at

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        raise NotImplementedError

    async def require(self) -> None:
        self._called("require")

    async def open(self) -> None:
        self._called("open")

    async def write(self, rows: Sequence[Row]) -> None:
        raise NotImplementedError

    async def flush(self) -> Flushed:
        raise NotImplementedError

    async def close(self) -> None:
        self._called("close")

    async def find(self, wanted: Erasure) -> Forgotten:
        self._called("find")
        return Forgotten([B, A, B], [C])

    async def forget(self, wanted: Erasure) -> Forgotten:
        self._called("forget")
        return Forgotten([B, A, B], [C])

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self._fault is not None and name == self._at:
            raise self._fault


def test_without_a_key_the_names_are_taken_as_they_are() -> None:
    wanted = erasure_of([EVE], [POST], None, "clear")
    assert wanted == Erasure(authors=frozenset([EVE]), posts=frozenset([POST]), reposts="clear")


def test_with_a_key_the_pseudonyms_are_wanted_too() -> None:
    wanted = erasure_of([EVE], [POST], KEY)
    assert wanted.authors == {EVE, Author("mastodon", pseudonym("mastodon", EVE.name, KEY))}
    assert wanted.posts == {POST, PostKey("bluesky", pseudonymised_id("bluesky", POST.id, KEY))}
    assert wanted.reposts == "remove"
    assert len(wanted.authors) == len(wanted.posts) == 2


@pytest.mark.parametrize("execute", [True, False])
async def test_each_sink_must_exist_and_reports_its_posts_sorted(execute: bool) -> None:
    sinks = [Shelf("one"), Shelf("two")]
    removals = await forget(sinks, Erasure(), execute=execute)
    assert removals == [Removal(sink=name, removed=(A, B), reposts=(C,)) for name in ("one", "two")]
    for sink in sinks:
        assert sink.calls == ["require", "open", "forget" if execute else "find", "close"]


@pytest.mark.parametrize(
    ("fault", "at", "logged"),
    [
        (SettingsError("there is no lake"), "require", False),
        (Unavailable("the server is away"), "forget", False),
        (RuntimeError("a fault of the sink"), "open", True),
        (RuntimeError("a fault of the sink"), "forget", True),
    ],
)
async def test_a_sink_that_fails_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture, fault: Exception, at: str, logged: bool
) -> None:
    failed, removed = await forget([Shelf("one", fault, at), Shelf("two")], Erasure())
    assert failed == Removal(sink="one", error=fault)
    assert removed == Removal(sink="two", removed=(A, B), reposts=(C,))
    assert ("the sink one failed" in caplog.text) == logged


@given(st.lists(st.tuples(st.just("x"), st.text(min_size=1))), st.none() | st.binary(min_size=16))
def test_requested_authors_and_posts_are_always_included(people: list[tuple[str, str]], key: bytes | None) -> None:
    authors = [Author(*person) for person in people]
    wanted = erasure_of(authors, [PostKey("bluesky", "did:plc:a/3k")], key)
    assert set(authors) <= wanted.authors
    assert PostKey("bluesky", "did:plc:a/3k") in wanted.posts
    assert len(wanted.posts) == (1 if key is None else 2)
