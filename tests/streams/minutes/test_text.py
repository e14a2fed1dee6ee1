"""Words and questions in any script."""

from __future__ import annotations

import pytest

from models.text import prepare
from streams.minutes.text import is_question, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The dogs of @police: https://t.co/x #K9 don't bark, 24 7", {"dogs", "bark"}),
        ("De politiehond is weer thuis", {"politiehond", "weer", "thuis"}),
        ("COVID19 ｆｕｌｌ", {"covid19", "full"}),
        ("पुलिस के कुत्ते", {"पुलिस", "कुत्ते"}),
        ("полиция и собаки", {"полиция", "собаки"}),
        ("الشرطة في المدينة", {"الشرطة", "المدينة"}),
        ("警察犬です", {"警察", "察犬", "犬で", "です"}),
        ("ตำรวจ", {"ต\u0e4d\u0e32", "\u0e32ร", "รว", "วจ"}),
        ("a" * 41 + " 1984 #tag", set()),
        ("e" + "\u0301" * 5_000, {"\xe9" + "\u0301" * 29}),
    ],
)
def test_words(text: str, found: set[str]) -> None:
    assert words(prepare(text)) == found


@pytest.mark.parametrize("text", ["where?", "どこ？", "أين؟", "πού\u037e", "ուր՞", "❓", "https://a.example/x where?"])
def test_question_marks_of_any_script(text: str) -> None:
    assert is_question(prepare(text))


@pytest.mark.parametrize("text", ["nowhere!", "https://a.example/?q=1", "so; what", ""])
def test_texts_that_are_not_questions(text: str) -> None:
    assert not is_question(prepare(text))
