"""The model: language, sentiment and topics of a post in one pass.

This package does not depend on Kafka. The pipeline uses `Enricher` and the types that it returns.
"""

from models.cache import CacheInfo
from models.campaign import CampaignTopic, read_topics
from models.constant import ConstantEnricher
from models.enricher import Enricher, TextEnricher
from models.enrichment import CampaignScore, Enrichment, Language, ModelInfo, Sentiment, TopicScore
from models.errors import (
    ArtefactError,
    BackendError,
    EvaluationDataError,
    HubModelError,
    MissingBackendExtra,
    ModelError,
    TopicsFileError,
)
from models.hub import HubEnricher

__all__ = [
    "ArtefactError",
    "BackendError",
    "CacheInfo",
    "CampaignScore",
    "CampaignTopic",
    "ConstantEnricher",
    "Enricher",
    "Enrichment",
    "EvaluationDataError",
    "HubEnricher",
    "HubModelError",
    "Language",
    "MissingBackendExtra",
    "ModelError",
    "ModelInfo",
    "Sentiment",
    "TextEnricher",
    "TopicScore",
    "TopicsFileError",
    "read_topics",
]
