"""An explanation without some posts and authors neither shows nor quotes them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sinks.base import Author, PostKey
from streams.sinks.explanations import EXCERPTS, without_posts

GONE = PostKey("test", "goes")


def excerpt(post_id: str, author: str | None = None, source: str = "test") -> dict[str, Any]:
    return {"source": source, "id": post_id, "text": f"text of {post_id}"} | ({"author": author} if author else {})


WHOLE = {
    "summary": "It is about text of goes",
    "terms": [{"name": "rex", "score": 6.2}],
    "typical": [excerpt("goes", "eve"), excerpt("stays", "anna")],
    "shared": [excerpt("goes", "eve")],
    "top_author": "eve",
    "top_author_share": 0.4,
    "top_text": "text of goes",
    "top_text_share": 0.2,
}
LEFT = {
    "terms": [{"name": "rex", "score": 6.2}],
    "typical": [excerpt("stays", "anna")],
    "shared": [],
    "top_author_share": 0.4,
    "top_text_share": 0.2,
}


def test_removing_a_post_removes_every_field_that_may_quote_it() -> None:
    before = json.dumps(WHOLE)
    assert without_posts(WHOLE, {GONE}) == LEFT
    assert json.dumps(WHOLE) == before, "the explanation itself is left alone"


def test_removing_an_author_removes_all_excerpts_and_the_mention() -> None:
    assert without_posts(WHOLE, set(), {Author("test", "eve")}) == LEFT
    mentioned = {"top_author": "eve", "summary": "half of it is by eve", "typical": [excerpt("stays", "anna")]}
    assert without_posts(mentioned, set(), {Author("test", "eve")}) == {
        "typical": [excerpt("stays", "anna")],
        "shared": [],
    }


@pytest.mark.parametrize(
    ("posts", "authors"),
    [
        (set(), set()),
        ({PostKey("test", "never")}, {Author("test", "nobody")}),
        ({PostKey("elsewhere", "goes")}, set()),
        (set(), {Author("test", "text of goes")}),
    ],
)
def test_an_explanation_without_removed_posts_or_authors_is_unchanged(
    posts: set[PostKey], authors: set[Author]
) -> None:
    assert without_posts(WHOLE, posts, authors) is None


def test_missing_parts_and_authors_are_not_excerpts() -> None:
    assert without_posts({}, {GONE}, {Author("test", "eve")}) is None
    assert without_posts({"typical": None, "shared": ()}, {GONE}) is None
    unnamed = {"typical": [excerpt("stays") | {"author": None}]}
    assert without_posts(unnamed, {GONE}, {Author("test", "eve")}) is None


KEYS = st.builds(PostKey, st.sampled_from(["test", "other"]), st.sampled_from("abc"))
PARTS = st.lists(
    st.builds(excerpt, st.sampled_from("abc"), st.none() | st.sampled_from(["eve", "anna"]), st.just("test")),
    max_size=4,
)


@given(typical=PARTS, shared=PARTS, posts=st.sets(KEYS), names=st.sets(st.sampled_from(["eve", "anna"])))
def test_all_removed_posts_and_authors_are_gone_and_all_others_kept(
    typical: list[dict[str, Any]], shared: list[dict[str, Any]], posts: set[PostKey], names: set[str]
) -> None:
    whole: dict[str, Any] = {"typical": typical, "shared": shared, "summary": "of all", "share": 0.5}
    authors = {Author("test", name) for name in names}
    left = without_posts(whole, posts, authors)
    wanted = {
        part: [each for each in whole[part] if ("test", each["id"]) not in posts and each.get("author") not in names]
        for part in EXCERPTS
    }
    if wanted == {part: whole[part] for part in EXCERPTS}:
        assert left is None
    else:
        assert left == {"share": 0.5, **wanted}
        assert without_posts(left, posts, authors) is None
        assert msgspec.json.encode(left)
