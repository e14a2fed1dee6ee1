import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import PREPARED_CHARACTERS, has_running_text, has_words, prepare

any_text = st.text(st.characters(exclude_categories=()), max_size=300)


@given(any_text)
def test_any_text_becomes_clean_bounded_utf8(text: str) -> None:
    prepared = prepare(text)
    prepared.encode("utf-8")
    assert len(prepared) <= PREPARED_CHARACTERS
    assert prepared == prepared.strip()
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in prepared)
    assert "  " not in prepared


@given(st.text(st.characters(categories=["L", "N", "So"]), max_size=40))
def test_letters_numbers_and_emoji_are_kept(text: str) -> None:
    assert prepare(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.org/a?b=c#d now", "see http now"),
        ("www.example.org", "http"),
        ("HTTP://EXAMPLE.ORG", "http"),
        ("thanks @Police_UK!", "thanks @user!"),
        ("@dogs@mastodon.social and @k9.bsky.social, hello", "@user and @user, hello"),
        ("write to me@example.org", "write to me@example.org"),
        ("already @user http", "already @user http"),
        ("cats &amp; dogs &lt;3", "cats & dogs <3"),
        ("two\r\n\tlines\u2028and\x00more", "two lines and more"),
        ("\u202eright to left\u202c \ufeffmark\u200b", "right to left mark"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\ud83d\ude00", "\U0001f600"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_preparation(text: str, expected: str) -> None:
    assert prepare(text) == expected


def test_links_that_differ_make_one_text() -> None:
    assert prepare("Found! https://t.co/abc") == prepare("Found!  https://t.co/xyz")


@pytest.mark.parametrize(
    "text", ["", "\U0001f600\U0001f415", "@user @user http", "110 %", "?!", "#110", "RT", "RT @user: http"]
)
def test_without_letters_there_are_no_words(text: str) -> None:
    assert not has_words(prepare(text))


@pytest.mark.parametrize("text", ["ok", "@user ja http", "\u3044\u306c", "#k9"])
def test_letters_are_words(text: str) -> None:
    assert has_words(prepare(text))


@pytest.mark.parametrize("text", ["ok #news", "@user ja http", "#k9 \u3044\u306c", "RTL"])
def test_words_outside_hashtags_are_running_text(text: str) -> None:
    assert has_running_text(prepare(text))


@pytest.mark.parametrize(
    "text", ["#news #today #photo", "RT @user: #news http", "#\u6771\u4eac\uff03\u65c5\u884c", "#k9!", ""]
)
def test_hashtags_and_placeholders_are_no_running_text(text: str) -> None:
    assert not has_running_text(prepare(text))
