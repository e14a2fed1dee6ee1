"""The model: language, sentiment and topics of a post in one pass.

Knows nothing of Kafka; the pipeline uses `Enricher` and the types it answers with.
"""

from models.cache import CacheInfo
from models.campaign import CampaignTopic, read_topics
from models.constant import ConstantEnricher
from models.enricher import Enricher, TextEnricher
from models.enrichment import CampaignScore, Enrichment, Language, ModelInfo, Sentiment, TopicScore
from models.errors import ArtefactError, EvaluationDataError, ModelError, TopicsFileError

__all__ = [
    "ArtefactError",
    "CacheInfo",
    "CampaignScore",
    "CampaignTopic",
    "ConstantEnricher",
    "Enricher",
    "Enrichment",
    "EvaluationDataError",
    "Language",
    "ModelError",
    "ModelInfo",
    "Sentiment",
    "TextEnricher",
    "TopicScore",
    "TopicsFileError",
    "read_topics",
]
