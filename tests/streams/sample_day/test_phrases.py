"""The phrase books fit the script."""

from __future__ import annotations

import re

import pytest

from streams.sample_day.phrases import PhraseBook, load_phrase_books
from streams.sample_day.script import load_script

BOOKS = load_phrase_books()
BUILT_IN_SLOTS = {"police", "tag", "time", "n"}


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.language)
def test_every_phrase_can_be_filled_and_every_scene_is_written(book: PhraseBook) -> None:
    phrases = [phrase for scene in book.scenes.values() for phrase in scene]
    pairs = [phrase for scene in book.pairs.values() for pair in scene for phrase in pair]
    tails = [phrase for tail in book.tails.values() for phrase in tail]
    for phrase in phrases + pairs + tails:
        assert set(re.findall(r"\{(\w+)\}", phrase)) <= BUILT_IN_SLOTS | set(book.slots)
    assert len(set(phrases)) == len(phrases)
    if book.language != "und":
        written = set(book.scenes) | set(book.pairs)
        assert written == {scene.name for scene in load_script().scene} - {"emoji"}
        assert all(book.tails.values())
        assert all("{police}" in question for scene in book.pairs.values() for question, _ in scene)
