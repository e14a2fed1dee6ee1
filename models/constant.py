"""An enricher without a model, for measuring the cost of the pipeline itself."""

from collections.abc import Sequence

from models.cache import CacheInfo
from models.enrichment import CampaignScore, Enrichment, Language, ModelInfo, Sentiment
from models.languages import Hints

_NEUTRAL = Enrichment(
    language=Language(code="und", score=1.0),
    sentiment=Sentiment(label="neutral", negative=0.0, neutral=1.0, positive=0.0),
    topics=(),
    campaign=CampaignScore(name=None, score=0.0),
    model=ModelInfo(name="constant", version="1"),
)


class ConstantEnricher:
    """Gives every text the same answer; for benchmarks and for tests of the pipeline around the model."""

    def __init__(self, answer: Enrichment = _NEUTRAL) -> None:
        self._answer = answer

    @property
    def name(self) -> str:
        """Model name in the constant answer."""
        return self._answer.model.name

    @property
    def version(self) -> str:
        """Model version in the constant answer."""
        return self._answer.model.version

    @property
    def runtime(self) -> None:
        """Always None, because nothing is computed."""
        return

    @property
    def sentiment_check(self) -> None:
        """Always None, because the answers say nothing about the posts."""
        return

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        """Return the constant answer for each text."""
        return [self._answer] * len(texts)

    def cache_info(self) -> CacheInfo:
        """Return counters of 0, because nothing is cached."""
        return CacheInfo(hits=0, misses=0, maxsize=0, currsize=0)
