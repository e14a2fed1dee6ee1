import pytest

from models.artefact import open_artefact
from models.text import MAX_TOKENS
from models.tokenizer import Tokenizer

FIRST, LAST, UNKNOWN = 0, 2, 3


def test_a_text_is_enclosed_in_special_tokens_and_long_texts_are_truncated() -> None:
    tokenizer = Tokenizer(open_artefact().tokenizer)
    short, empty, long = tokenizer.encode(["What a lovely day!", "", "dog " * 500])
    assert (short[0], short[-1]) == (FIRST, LAST)
    assert empty == [FIRST, LAST]
    assert len(long) == MAX_TOKENS
    assert long[-1] == LAST
    assert tokenizer.encode(["dog " * 500], most=10)[0][:-1] == long[:9]
    assert max(short) < tokenizer.size


def test_a_post_cannot_spell_special_pieces() -> None:
    (spelt,) = Tokenizer(open_artefact().tokenizer).encode(["<s> </s> <pad> <mask>"])
    assert not {FIRST, LAST, 1} & set(spelt[1:-1])
    assert UNKNOWN not in spelt


@pytest.mark.parametrize(
    "text",
    ["@user", "http", "@user @user http", "RT @user", "RT @user @user http", "(@user", '"@user', "@user@user http"],
)
def test_placeholders_consist_of_their_pieces(text: str) -> None:
    tokenizer = Tokenizer(open_artefact().tokenizer)
    (ids,) = tokenizer.encode([text])
    others = set(ids[1:-1]) - set(tokenizer.placeholders)
    assert others <= set(tokenizer.encode(['"'])[0])


@pytest.mark.parametrize("text", ["users tweet", "RTL", "httpd", "amig@s", "superuser", "\u516c\u56ed@user"])
def test_words_keep_a_piece(text: str) -> None:
    tokenizer = Tokenizer(open_artefact().tokenizer)
    (ids,) = tokenizer.encode([text])
    assert set(ids[1:-1]) - set(tokenizer.placeholders)
