from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from msgspec.structs import replace

from models.artefact import SentimentCheck
from models.cache import CacheInfo
from models.enrichment import ACTS, EMOTIONS, Enrichment, LabelScore
from models.languages import Hints
from models.training import held_out, vectors
from models.training.data import NOISY, TrainingRow
from models.training.targets import Target, nothing
from tests.helpers.scripted_model import answer
from tests.models.training.conftest import BAD, GOOD, text, texts_in_half

MOODS = ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))
MIXED = "halves of two languages"
UMSAB = {"hello": ("en", 0.9), "hallo": ("en", 0.9), "salut": ("und", 0.3), "hola": ("es", 0.7)}
LANGUAGES = UMSAB | {"english en": ("en", 1.0), "deutsch de": ("de", 0.5)}
LANGUAGES |= {code: (code, 1.0) for code in ("it", "pt", NOISY)}
"""The answers for texts with all of these words."""


class Scripted:
    """A model that derives sentiments, emotions, acts and languages from the words, and vectors from a table."""

    name, version, runtime = "scripted", "1.2.3", None
    sentiment_check = SentimentCheck(threshold=0.8, accuracy=1.0)

    def __init__(self, mixed: tuple[str, float]) -> None:
        self._mixed = mixed

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        return [self._answer(each) for each in texts]

    def cache_info(self) -> CacheInfo:
        return CacheInfo(hits=0, misses=0, maxsize=0, currsize=0)

    def _answer(self, prepared: str) -> Enrichment:
        words = prepared.split()
        mood = 0 if set(words) & set(BAD) else 2 if set(words) & set(GOOD) else 1
        named = [value for mark, value in LANGUAGES.items() if set(mark.split()) <= set(words)]
        return replace(
            answer(sentiment=MOODS[mood], language=named[0] if named else self._mixed),
            emotions=tuple(LabelScore(name=name, score=0.9) for name in EMOTIONS if f"+{name}" in words),
            acts=tuple(LabelScore(name=name, score=0.9) for name in ACTS if f"+{name}" in words),
        )

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Separate the types of information about disasters, and nothing else."""
        types = [int(each.rpartition("w")[2]) % 2 if "crisis" in each else 0 for each in texts]
        return np.eye(2, dtype=np.float32)[types]


def held(source: str, language: str | None, *marks: str, published: bool = True, **labels: Any) -> list[TrainingRow]:
    """Return a row of the published half, or of the other, for each mark, by which its text begins."""
    found = []
    for number, mark in enumerate(marks):
        texts = texts_in_half(published, f"{mark} {source} {language} {number} of")
        found.append(TrainingRow(source, next(texts), language, **labels))
    return found


@cache
def rows() -> list[TrainingRow]:
    silent = frozenset({"neutral"})
    return [
        *(
            row
            for word, code in zip(UMSAB, ("en", "de", "fr", "es"), strict=True)
            for row in held("umsab-val", code, word)
        ),
        *held("umsab-val", "en", "hola", published=False),
        *held("lingua-held", "en", "english"),
        *held("lingua-held", "de", "deutsch"),
        *held("fragment-held", "en", "english"),
        *held("template-held", "en", "english", "english", "english", "hola"),
        *held("template-held", "de", "deutsch"),
        # sentiments: two languages of UMSAB, two of AfriSenti, a set with two moods
        *held("umsab-val", "it", "hate", sentiment=0),
        *held("umsab-val", "it", "love", "bus", sentiment=2),
        *held("umsab-val", "pt", "love", sentiment=2),
        *held("umsab-val", "pt", "hate", published=False, sentiment=2),
        *held("umsab-val", NOISY, "hate", sentiment=2),
        *held("afrisenti-dev", "ha", "hate", sentiment=0),
        *held("afrisenti-dev", "ha", "bus", "bus", sentiment=1),
        *held("afrisenti-dev", "yo", "hate", "bus", "bus", sentiment=0),
        *held("vsmec-held", "vi", "hate", "hate", "bus", sentiment=0, unknown=silent),
        *held("vsmec-held", "vi", "hate", sentiment=2, unknown=silent),
        *held("vsmec", "vi", "love", sentiment=0, unknown=silent),
        # emotions and acts
        *held("brighter-held", "en", "+joy", emotions=("joy",)),
        *held("brighter-held", "en", "+joy", emotions=()),
        *held("brighter-held", "en", "+anger", emotions=("anger",)),
        *held("brighter-held", "en", "+joy", published=False, emotions=("fear",)),
        *held("brighter-held", "de", "+joy +fear", "+joy", emotions=("joy",), unknown=frozenset({"fear"})),
        *held("goemotions-held", "en", "+support", "none", emotions=("support",)),
        *held("tweet_acts-held", "en", "+question", "none", "none", acts=("question",)),
        *held("complaints-held", "en", "+complaint", acts=("complaint",)),
        *held("complaints-held", "en", "+complaint", "+question", acts=()),
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
    return Target(values=values, known=np.array([row.source in sources for row in rows()]))


def test_sentiments_of_the_published_half(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    found = scores(monkeypatch, tiny_data, teacher())
    italian, hausa, yoruba, vietnamese = (1 + 2 / 3) / 2, 1, 1 / 2, (2 / 3) / 2
    assert found["umsab it macro-F1"] == pytest.approx(100 * italian, abs=0.01)
    assert found["umsab pt macro-F1"] == 100
    assert found["umsab mean macro-F1"] == pytest.approx(100 * (italian + 1) / 2, abs=0.01)
    assert f"umsab {NOISY} macro-F1" not in found
    assert found["afrisenti mean weighted F1"] == pytest.approx(100 * (hausa + yoruba) / 2, abs=0.01)
    assert found["vsmec macro-F1"] == pytest.approx(100 * vietnamese, abs=0.01)
    assert (found["vsmec called negative"], found["vsmec negative"]) == (75, 75)
    assert (found["afrisenti yo called negative"], found["afrisenti yo negative"]) == pytest.approx((33.33, 100))
    means = [italian, 1, hausa, yoruba, vietnamese]
    assert found["domains mean macro-F1"] == pytest.approx(100 * sum(means) / 5, abs=0.01)
    assert found["domains worst macro-F1"] == pytest.approx(100 * vietnamese, abs=0.01)
    assert found["domains mean distance of the negative share"] == pytest.approx(100 * (2 / 3) / 5, abs=0.01)
    # all posts reach the threshold, and so many are right: 2 of 3, all, all, 1 of 3, 2 of 4
    assert found["accuracy to expect, mean error"] == pytest.approx(100 * (1 / 3 + 2 / 3 + 1 / 2) / 5, abs=0.01)


def test_emotions_and_acts_of_the_published_half(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    found = scores(monkeypatch, tiny_data, teacher())
    english, german = (2 / 3 + 1) / 2, 1
    assert found["brighter-held emotions macro-F1, mean over languages"] == pytest.approx(
        100 * (english + german) / 2, abs=0.01
    )
    assert found["goemotions-held support F1"] == pytest.approx(100 * 2 / 3, abs=0.01)
    assert found["tweet_acts-held question F1"] == 50
    assert found["complaints-held complaint F1"] == pytest.approx(100 * 2 / 3, abs=0.01)


def test_sets_without_rows_have_no_scores(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    monkeypatch.setattr(vectors, "FEWEST_POSTS", 20)
    some = [row for row in rows() if row.source != "brighter-held"]
    enricher: Any = Scripted(("en", 0.6))
    found = held_out.scores(enricher, some, nothing(some), tiny_data)
    assert not any(name.startswith("brighter") for name in found)
    assert found["goemotions-held support F1"]


def test_languages(monkeypatch: pytest.MonkeyPatch, tiny_data: Path) -> None:
    found = scores(monkeypatch, tiny_data, teacher())
    assert found["umsab-val language accuracy"] == pytest.approx(100 * 7 / 9, abs=0.01)
    assert found["umsab-val language und"] == pytest.approx(100 / 9, abs=0.01)
    assert found["umsab-val language calibration error"] == pytest.approx((2 * 0.4 + 0.3 + 0.3) / 9, abs=1e-4)
    assert found["lingua-held language accuracy"] == found["fragment-held language accuracy"] == 100
    assert found["lingua-held language calibration error"] == 0.25
    assert found["template-held in English, called English"] == 75


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
