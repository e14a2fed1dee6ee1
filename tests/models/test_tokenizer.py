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
