"""The counts of the demo: each version of a post once, and what is missing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streams.contracts import Deletion, encode
from streams.demo.tally import SLOT, Tally, find_turn
from streams.sample_day import END, START
from streams.up.mood import SentimentTally
from tests.streams.demo.day import dead_letter, enriched


def test_a_tally_counts_each_version_once_and_names_missing_records() -> None:
    tally = Tally(START, END)
    posts = [enriched(number) for number in range(4)]
    edit = enriched(0, "positive", edited_at=START + timedelta(minutes=1))
    deletion = Deletion(source="test", id="1", deleted_at=END)
    raw = [*(encode(message.post) for message in (*posts, edit)), encode(deletion), b"{"]
    for offset, value in enumerate(raw):
        tally.add_raw("posts.raw", 0, offset, value, ())
    assert tally.produced == 7
    assert len(tally.missing()) == 7
    for message in (posts[0], posts[0], posts[1], posts[2], edit, deletion, deletion):
        tally.add_enriched(encode(message), ())
    assert (tally.enriched, tally.edits, tally.deletions, tally.duplicates) == (4, 1, 1, 2)
    assert tally.missing() == ["posts.raw[0]@3", "posts.raw[0]@6"]
    tally.add_enriched(encode(posts[3]), ())
    tally.add_dead(encode(dead_letter(6)), ())
    tally.add_dead(encode(dead_letter(6)), ())
    assert tally.missing() == []
    assert (tally.dead, tally.duplicates, tally.reasons) == (1, 3, {"malformed": 1})
    assert tally.kept_posts == 3
    assert tally.mood == SentimentTally(neutral=4)
    assert tally.produced == tally.enriched + tally.deletions + tally.dead


def test_an_edit_and_the_post_it_changes_are_checked_separately() -> None:
    tally = Tally(START, END)
    post = enriched(1)
    edit = enriched(1, edited_at=END)
    tally.add_raw("posts.raw", 0, 0, encode(post.post), ())
    tally.add_raw("posts.raw", 0, 1, encode(edit.post), ())
    tally.add_enriched(encode(edit), ())
    assert tally.missing() == ["posts.raw[0]@0"]


@pytest.mark.parametrize(
    ("negative", "expected"),
    [
        ([2, 2, 2, 2, 2, 2], None),
        ([2, 2, 15, 18, 2, 2], (2, 4)),
        ([12, 2, 2, 18, 2, 2], (3, 4)),
        ([0, 0, 0, 0, 0, 0], None),
        ([0, 0, 4, 0, 0, 0], None),
    ],
    ids=["even", "wave", "the larger of two waves", "no anger", "a handful"],
)
def test_the_turning_point_is_the_largest_wave_of_anger(negative: list[int], expected: tuple[int, int] | None) -> None:
    turn = find_turn(START, [SentimentTally(negative=count, neutral=20 - count) for count in negative])
    if expected is None:
        assert turn is None
    else:
        assert turn is not None
        assert ((turn.begin - START) / SLOT, (turn.end - START) / SLOT) == expected
        assert turn.share > 2 * turn.usual
