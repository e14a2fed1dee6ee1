"""A model whose answers are scripted by the test."""

from collections.abc import Mapping, Sequence

from models.cache import CacheInfo
from models.enrichment import SENTIMENTS, CampaignScore, Enrichment, LabelScore, Language, ModelInfo, Sentiment
from models.languages import Hints

MODEL = ModelInfo(name="scripted", version="1.2.3")


def answer(
    *,
    language: tuple[str, float] = ("en", 1.0),
    sentiment: tuple[float, float, float] = (0.0, 1.0, 0.0),
    topics: Sequence[str] = (),
    emotions: Sequence[str] = (),
    acts: Sequence[str] = (),
    campaign: tuple[str | None, float] = (None, 0.0),
) -> Enrichment:
    """Return an enrichment with these parts; the sentiment's label is the most probable one."""
    return Enrichment(
        language=Language(code=language[0], score=language[1]),
        sentiment=Sentiment(
            label=SENTIMENTS[sentiment.index(max(sentiment))],
            negative=sentiment[0],
            neutral=sentiment[1],
            positive=sentiment[2],
        ),
        topics=_scored(topics),
        emotions=_scored(emotions),
        acts=_scored(acts),
        campaign=CampaignScore(name=campaign[0], score=campaign[1]),
        model=MODEL,
    )


def _scored(names: Sequence[str]) -> tuple[LabelScore, ...]:
    return tuple(LabelScore(name=name, score=0.9) for name in names)


class ScriptedEnricher:
    """A model that answers the texts of a script as scripted, and others with the default."""

    name, version, runtime, sentiment_check = MODEL.name, MODEL.version, None, None

    def __init__(self, script: Mapping[str, Enrichment]) -> None:
        self._script = script
        self.batches: list[int] = []

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        self.batches.append(len(texts))
        return [self._script.get(text) or answer() for text in texts]

    def cache_info(self) -> CacheInfo:
        return CacheInfo(hits=0, misses=0, maxsize=0, currsize=0)
