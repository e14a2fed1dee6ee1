"""Hashtags that look alike are equal, and their number and length are limited."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import decode_raw, find_hashtags, normalise_hashtags

RAW = {"type": "post", "source": "x", "id": "1", "text": "", "created_at": "2026-08-01T12:00:00Z"}


@pytest.mark.parametrize(
    "written",
    ["#poltwt", "#pol\u200btwt", "#poltwt\ufe0f", "#pol\u00adtwt", "#p\u200do\u200cltwt", "#\u2060poltwt\u200f!", "＃Pol\u202eTwt"],
)  # fmt: skip
def test_a_hashtag_with_invisible_characters_is_the_visible_one(written: str) -> None:
    assert find_hashtags(f"a {written} b") == ("poltwt",)
    assert normalise_hashtags([written.rstrip("!")]) == ("poltwt",)


@pytest.mark.parametrize("text", ["#\ufe0f\u20e3poltwt", "#\u20e3poltwt", "#\u3164\u3164", "#\u200b\u200d"])
def test_keycap_emojis_and_invisible_text_are_not_hashtags(text: str) -> None:
    assert find_hashtags(text) == ()


def test_joiners_that_change_a_word_stay() -> None:
    assert find_hashtags("#می\u200cخواهم #ශ්\u200dරී") == ("می\u200cخواهم", "ශ්\u200dරී")


def test_the_first_hundred_are_kept() -> None:
    many = [f"t{number}" for number in range(10_000)]
    assert find_hashtags(" ".join(f"#{tag}" for tag in many)) == tuple(many[:100])
    assert normalise_hashtags(many) == tuple(many[:100])
    assert decode_raw(json.dumps(RAW | {"hashtags": many}).encode()).hashtags == tuple(many[:100])  # type: ignore[union-attr]


def test_a_long_hashtag_is_truncated() -> None:
    assert find_hashtags("#" + "a" * 5_000) == normalise_hashtags(["a" * 5_000]) == ("a" * 200,)
    assert decode_raw(json.dumps(RAW | {"hashtags": ["a" * 5_000]}).encode()).hashtags == ("a" * 200,)  # type: ignore[union-attr]


@given(st.lists(st.text()))
def test_normalising_twice_is_the_same_as_once(hashtags: list[str]) -> None:
    once = normalise_hashtags(hashtags)
    assert all(tag and len(tag) <= 200 for tag in once)
    assert set(normalise_hashtags(once)) == set(once)


@pytest.mark.parametrize(
    ("text", "hashtags"),
    [
        ("#PolTwt is here, #poltwt!", ("poltwt",)),
        ("(#K9) #24h #a_b #Größe.", ("k9", "24h", "a_b", "größe")),
        ("#1 #2024 ## # #_", ()),
        ("a#b https://x.org/#top &#39;", ()),
        ("#one#two", ("one",)),
        ("#हिन्दी #ไทย #தமிழ் #العربية #日本", ("हिन्दी", "ไทย", "தமிழ்", "العربية", "日本")),
        ("#می\u200cخواهم", ("می\u200cخواهم",)),
        ("＃警察 #dog🐕 #polizei's", ("警察", "dog", "polizei")),
        ("#Cafe\u0301 #café #ＣＡＦÉ", ("café",)),
    ],
)
def test_hashtags_are_found(text: str, hashtags: tuple[str, ...]) -> None:
    assert find_hashtags(text) == hashtags


@given(st.text())
def test_found_hashtags_are_clean(text: str) -> None:
    for tag in find_hashtags(text):
        assert tag
        assert not tag.startswith("#")
        assert not any(map(str.isspace, tag))


def test_hashtags_are_normalised() -> None:
    assert normalise_hashtags(["#PolTwt", " poltwt ", "＃K9", "#", ""]) == ("poltwt", "k9")
