from pathlib import Path
from statistics import fmean

import pytest

from models.enricher import Enricher
from models.errors import EvaluationDataError
from models.evaluation import language_report, name_languages, read_language, read_sentiment
from models.evaluation.error_rates import UMSAB_LANGUAGES
from tests.helpers.scripted_model import MODEL, ScriptedEnricher, answer

MODEL_SAYS = ScriptedEnricher(
    {
        "hello": answer(language=("en", 0.9)),
        "hej": answer(language=("sv", 0.6)),
        "hei": answer(language=("nb", 0.6)),
        "yaar": answer(language=("hi-Latn", 0.8)),
    }
)


def test_scores_by_language_and_over_all(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("hello\n\n  \nhej\nhej\nhei", "utf-8")
    (tmp_path / "hi-Latn.txt").write_bytes(b"yaar\r\n")
    (tmp_path / "LICENSE.txt").write_text("Do as you like.", "utf-8")
    files = read_language(tmp_path)
    assert files == {"en": ("hello", "hej", "hej", "hei"), "hi-Latn": ("yaar",)}
    report = language_report({code: name_languages(MODEL_SAYS, texts) for code, texts in files.items()}, MODEL)
    english = report.languages["en"]
    assert (english.accuracy, english.texts, english.most_confused) == (25.0, 4, {"sv": 2, "nb": 1})
    assert report.languages["hi-Latn"].accuracy == 100.0
    assert report.mean.accuracy == 62.5
    assert report.accuracy == 40.0
    assert report.ece == pytest.approx((0.1 + 3 * 0.6 + 0.2) / 5, abs=1e-4)


def test_only_the_commonest_mistakes_are_listed() -> None:
    model = ScriptedEnricher({code: answer(language=(code, 1.0)) for code in ("da", "nb", "nn", "sv")})
    report = language_report({"is": name_languages(model, ["sv", "nn", "nb", "da", "sv"])}, MODEL)
    assert report.languages["is"].most_confused == {"sv": 2, "da": 1, "nb": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"x", "named after a language"),
        ("en.md", b"x", r"no \*\.txt"),
        ("en.txt", b"\n \n", "en.txt has no texts"),
        ("en.txt", b"fine\nb\xffd", r"en\.txt:2: not UTF-8"),
    ],
)
def test_faulty_folders_are_named_with_their_fault(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvaluationDataError, match=message):
        read_language(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match="not a folder"):
        read_language(tmp_path / "none")


@pytest.mark.slow
def test_language_on_umsab_validation(shared_data: Path, enricher: Enricher) -> None:
    right = [
        answer.language.code == UMSAB_LANGUAGES[name]
        for name, posts in read_sentiment(shared_data / "umsab", "val").items()
        for answer in enricher.enrich(posts.texts)
    ]
    assert fmean(right) >= 0.97
