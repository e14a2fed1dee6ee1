"""An enricher without a model: what the pipeline costs by itself."""

from collections.abc import Sequence

from models.cache import CacheInfo
from models.enrichment import CampaignScore, Enrichment, Language, ModelInfo, Sentiment

_NEUTRAL = Enrichment(
    language=Language(code="und", score=1.0),
    sentiment=Sentiment(label="neutral", negative=0.0, neutral=1.0, positive=0.0),
    topics=(),
    campaign=CampaignScore(name=None, score=0.0),
    model=ModelInfo(name="constant", version="1"),
)


class ConstantEnricher:
    """Gives the same answer for each text, for benchmarks and for tests of the plumbing."""

    def __init__(self, answer: Enrichment = _NEUTRAL) -> None:
        self._answer = answer

    @property
    def name(self) -> str:
        """Name of the model the answer claims."""
        return self._answer.model.name

    @property
    def version(self) -> str:
        """Version of the model the answer claims."""
        return self._answer.model.version

    @property
    def runtime(self) -> None:
        """Nothing is computed."""
        return

    def enrich(self, texts: Sequence[str]) -> list[Enrichment]:
        """Answer every text alike."""
        return [self._answer] * len(texts)

    def cache_info(self) -> CacheInfo:
        """Nothing is kept."""
        return CacheInfo(hits=0, misses=0, maxsize=0, currsize=0)
