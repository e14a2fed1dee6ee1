"""Extracts words, questions and fingerprints from a post's text, in any script.

Texts are given as prepared for the model (`models.text.prepare`): with placeholders for links and mentions, and without
invisible characters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby, pairwise

from streams.contracts.unicode import is_mark, nfkc

_MAX_WORD = 40
_QUESTION_CLASS = "[?\u037e\u055e\u061f\u1367\u1945\u2047-\u2049\u2753\u2754\u2cfa\u2cfb\u2e2e\ua60f\ua6f7\ufe16\ufe56\uff1f\U00011143\U0001e95f]"
_QUESTION_MARKS = re.compile(_QUESTION_CLASS)
_LINKS = r"(https?://|www\.)\S+"
_PLACEHOLDER = re.compile(r"@user\b|\bhttp\b")
_HASHTAG = re.compile(r"[#\uff03][^\s#\uff03]+")
_REPOST = re.compile(r"rt @\S+:? ", re.IGNORECASE)
_FINGERPRINT_BYTES = 6
_INSIDE_WORDS = "\u200c\u200d'\u2019"
# scripts without spaces between words, where pairs of neighbouring characters are used as words
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"
)

_STOP_WORDS = frozenset(files(__package__).joinpath("stop_words.txt").read_text(encoding="utf-8").split())


def is_question(prepared: str) -> bool:
    """Return whether the text contains a question mark of any script, outside links."""
    return _QUESTION_MARKS.search(prepared) is not None


def question_sql(column: str) -> str:
    """Return the condition of `is_question` for a column of unprepared texts, in SQL of PostgreSQL and DuckDB."""
    text = f"regexp_replace({column}, '{_LINKS}', ' ', 'gi')"
    return f"regexp_replace({text}, '{_QUESTION_CLASS}', '', 'g') <> {text}"


def is_repost(text: str) -> bool:
    """Return whether the text starts with an old-style repost prefix (`RT @user: `)."""
    return _REPOST.match(text) is not None


def original(text: str) -> str:
    """Return the text without a repost prefix."""
    return _REPOST.sub("", text, count=1)


def same_text(text: str) -> str:
    """Return a form that is equal for copies of a text: ignores case, spacing and a repost prefix."""
    return " ".join(original(text).casefold().split())


def fingerprint(text: str) -> str:
    """Return a short hash that is equal for copies of a text."""
    return hashlib.blake2b(same_text(text).encode(errors="replace"), digest_size=_FINGERPRINT_BYTES).hexdigest()


def words(prepared: str) -> frozenset[str]:
    """Return the distinct words in lower case, without stop words, numbers, links, mentions and hashtags.

    In scripts without spaces between words, every pair of neighbouring characters counts as a word.
    """
    plain = _HASHTAG.sub(" ", _PLACEHOLDER.sub(" ", prepared))
    plain = nfkc(plain).lower()
    found = (word for run in _runs(plain) for word in _split(run))
    return frozenset(word for word in found if len(word) <= _MAX_WORD and word not in _STOP_WORDS)


def _runs(text: str) -> Iterator[str]:
    for is_word, characters in groupby(text, _is_word_character):
        if is_word:
            run = "".join(characters).strip(_INSIDE_WORDS)
            if any(map(str.isalpha, run)):
                yield run


def _is_word_character(character: str) -> bool:
    return character.isalnum() or character in _INSIDE_WORDS or is_mark(character)


def _split(run: str) -> Iterator[str]:
    if not _UNSPACED.search(run):
        if len(run) > 1:
            yield run
        return
    for unspaced, characters in groupby(_clusters(run), lambda cluster: _UNSPACED.match(cluster) is not None):
        clusters = list(characters)
        if unspaced:
            yield from ("".join(pair) for pair in pairwise(clusters))
        else:
            yield from _split("".join(clusters))


def _clusters(run: str) -> list[str]:
    """Split into characters, each with its combining marks."""
    found: list[str] = []
    for character in run:
        if found and is_mark(character):
            found[-1] += character
        else:
            found.append(character)
    return found
