from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from models import Enricher, EvaluationDataError
from models.evaluation import macro_f1, read_sentiment, score_sentiment

LEAST_MACRO_F1 = 63
"""Mean over the seven languages of UMSAB whose validation labels are sound; its Hindi ones are close to noise."""


def test_macro_f1_of_a_known_case() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    assert macro_f1(truth, predicted) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)


def test_macro_f1_counts_labels_that_were_never_given() -> None:
    assert macro_f1(np.array([0, 1]), np.array([0, 0])) == pytest.approx((2 / 3 + 0) / 2)


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    (tmp_path / "val_text.txt").write_bytes("one\u2028still one\x85and on\ntwo\n".encode())
    (tmp_path / "val_labels.txt").write_bytes(b"0\r\n2\r\n")
    posts = read_sentiment(tmp_path, "val")[tmp_path.name]
    assert posts.texts == ("one\u2028still one\x85and on", "two")
    assert posts.labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (b"a\nb", b"1", "2 lines.*1"),
        (b"a", b"3", "val_labels.txt:1"),
        (b"", b"", "empty"),
        (b"\xff", b"1", "utf-8"),
    ],
)
def test_faulty_folders_are_named_with_their_fault(tmp_path: Path, texts: bytes, labels: bytes, message: str) -> None:
    (tmp_path / "val_text.txt").write_bytes(texts)
    (tmp_path / "val_labels.txt").write_bytes(labels)
    with pytest.raises(EvaluationDataError, match=message):
        read_sentiment(tmp_path, "val")


def test_a_folder_without_the_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match=r"test_text\.txt"):
        read_sentiment(tmp_path, "test")


@pytest.mark.slow
def test_sentiment_on_umsab_validation(shared_data: Path, enricher: Enricher) -> None:
    folders = read_sentiment(shared_data / "umsab", "val")
    scores = {name: score_sentiment(enricher, posts).macro_f1 for name, posts in folders.items() if name != "hindi"}
    assert len(scores) == 7
    assert fmean(scores.values()) >= LEAST_MACRO_F1, scores


@pytest.mark.slow
def test_language_on_umsab_validation(shared_data: Path, enricher: Enricher) -> None:
    codes = {"arabic": "ar", "english": "en", "french": "fr", "german": "de", "hindi": "hi-Latn"}
    codes |= {"italian": "it", "portuguese": "pt", "spanish": "es"}
    right = [
        answer.language.code == codes[name]
        for name, posts in read_sentiment(shared_data / "umsab", "val").items()
        for answer in enricher.enrich(posts.texts)
    ]
    assert fmean(right) >= 0.95
