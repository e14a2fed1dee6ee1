"""Words and questions in any script."""

from __future__ import annotations

import duckdb
import psycopg
import pytest

from models.text import prepare
from streams.minutes.text import is_question, question_sql, words
from tests.helpers.postgres import PostgresServer


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


QUESTIONS = ["where?", "どこ？", "أين؟", "πού\u037e", "ուր՞", "❓", "https://a.example/x where?"]
OTHERS = ["nowhere!", "https://a.example/?q=1", "WWW.a.example/?q=1", "so; what", ""]


@pytest.mark.parametrize("text", QUESTIONS)
def test_question_marks_of_any_script(text: str) -> None:
    assert is_question(prepare(text))


@pytest.mark.parametrize("text", OTHERS)
def test_texts_that_are_not_questions(text: str) -> None:
    assert not is_question(prepare(text))


def test_duckdb_finds_the_same_questions() -> None:
    statement = f"select text from (select unnest($1) as text) where {question_sql('text')}"
    found = duckdb.execute(statement, [QUESTIONS + OTHERS]).fetchall()
    assert [text for (text,) in found] == QUESTIONS


def test_postgresql_finds_the_same_questions(postgres: PostgresServer) -> None:
    statement = (
        f"select text from unnest(%s::text[]) with ordinality as t(text, n) where {question_sql('text')} order by n"
    )
    with psycopg.connect(postgres.dsn()) as connection:
        found = connection.execute(statement, [QUESTIONS + OTHERS]).fetchall()
    assert [text for (text,) in found] == QUESTIONS
