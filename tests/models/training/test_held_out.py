from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models.enrichment import Enrichment
from models.languages import Hints
from models.training import held_out, vectors
from models.training.data import TrainingRow
from models.training.teacher import Target
from tests.helpers.scripted_model import answer
from tests.models.training.conftest import BAD, GOOD, text

MOODS = ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))
MIXED = "halves of two languages"
UMSAB = {"hello": ("en", 0.9), "hallo": ("en", 0.9), "salut": ("und", 0.3), "hola": ("es", 0.7)}


class Scripted:
    """A model that derives sentiments from the words, and languages and vectors from fixed tables."""

    def __init__(self, mixed: tuple[str, float]) -> None:
        self._mixed = mixed

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        return [self._answer(each) for each in texts]

    def _answer(self, prepared: str) -> Enrichment:
        words = set(prepared.split())
        mood = 0 if words & set(BAD) else 2 if words & set(GOOD) else 1
        if {"yor", "wrong"} & words:
            mood = 1
        language = {"english words": ("en", 1.0), "deutsche worte": ("de", 0.5)}.get(prepared, self._mixed)
        return answer(sentiment=MOODS[mood], language=UMSAB.get(prepared, language))

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Separate the types of information about disasters, and nothing else."""
        types = [int(each.rpartition("w")[2]) % 2 if "crisis" in each else 0 for each in texts]
        return np.eye(2, dtype=np.float32)[types]


def rows() -> list[TrainingRow]:
    codes = ("en", "de", "fr", "es")
    return [
        *(TrainingRow("umsab-val", each, code) for each, code in zip(UMSAB, codes, strict=True)),
        *(TrainingRow("lingua-held", *each) for each in (("english words", "en"), ("deutsche worte", "de"))),
        TrainingRow("fragment-held", "english words", "en"),
        TrainingRow("hinglish-held", "hate", "hi-Latn", sentiment=0),
        TrainingRow("hinglish-held", "love", "hi-Latn", sentiment=2),
        TrainingRow("hinglish-held", "love wrong", "hi-Latn", sentiment=2),
        TrainingRow("hinglish-held", "not labelled", "hi-Latn"),
        *(TrainingRow("semeval-held", each, "en", sentiment=2) for each in ("love", "great")),
        TrainingRow("semeval-held", "sad wrong", "en", sentiment=0),
        *(TrainingRow("crisis", text(number, "crisis", "x")) for number in range(60)),
        *(TrainingRow("x_topic", f"x{number}", topics=(("music", "sports")[number % 2],)) for number in range(60)),
        *(TrainingRow("sib200-held", f"s{number}", topics=(("health", "travel")[number % 2],)) for number in range(60)),
    ]


def scores(
    monkeypatch: pytest.MonkeyPatch, data: Path, target: Target, mixed: tuple[str, float] = ("en", 0.6)
) -> dict[str, float]:
    monkeypatch.setattr(vectors, "FEWEST_POSTS", 20)
    enricher: Any = Scripted(mixed)
    return held_out.scores(enricher, rows(), target, data)


def teacher(*sources: str) -> Target:
    """Return vectors for the rows of these sources, which separate the topics of X-Topic and of no other set."""
    values = np.ones((len(rows()), 2), np.float16) / np.float16(2**0.5)
    for index, row in enumerate(rows()):
        if row.source == "x_topic":
            values[index] = (1, 0) if row.topics == ("music",) else (0, 1)
    return Target(values, np.array([row.source in sources for row in rows()]))


def test_sentiments(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    found = scores(monkeypatch, tiny_data, teacher())
    assert found["hinglish-held macro recall of negative and positive"] == 75
    assert found["semeval-held macro recall"] == 50
    always_neutral = 100 * (1 / 3) * (2 * (1 / 3) / (1 / 3 + 1))
    assert found["afrisenti-dev mean weighted F1"] == pytest.approx((6 * 100 + always_neutral) / 7, abs=0.01)


def test_languages(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    found = scores(monkeypatch, tiny_data, teacher())
    assert found["umsab-val language accuracy"] == 50
    assert found["umsab-val language und"] == 25
    assert found["umsab-val language calibration error"] == pytest.approx((2 * 0.4 + 0.3 + 0.3) / 4)
    assert found["lingua-held language accuracy"] == found["fragment-held language accuracy"] == 100
    assert found["lingua-held language calibration error"] == 0.25


@pytest.mark.parametrize(
    ("mixed", "named", "unknown"),
    [(("en", 0.6), 100, 0), (("de", 0.7), 100, 0), (("fr", 0.5), 0, 0), (("und", 0.3), 0, 100)],
)
def test_texts_in_two_languages(
    monkeypatch: pytest.MonkeyPatch, tiny_data: Path, mixed: tuple[str, float], named: float, unknown: float
) -> None:
    found = scores(monkeypatch, tiny_data, teacher(), mixed)
    assert found[f"{MIXED}, one of them named"] == named
    assert found[f"{MIXED}, und"] == unknown
    assert found[f"{MIXED}, mean score"] == mixed[1]


def test_campaign_topics(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    found = scores(monkeypatch, tiny_data, teacher("x_topic", "crisis"))
    assert found["crisis campaign AUC"] == 1
    assert found["x_topic campaign AUC"] == found["sib200-held campaign AUC"] == 0.5
    assert found["x_topic campaign AUC, frozen"] == 1
    assert found["crisis campaign AUC, frozen"] == 0.5
    assert "sib200-held campaign AUC, frozen" not in found, "the teacher has no vectors for it"
