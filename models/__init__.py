"""The model: language, sentiment and topics of a post in one pass.

This package does not depend on Kafka. The pipeline uses `Enricher` and the types that it returns.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "ArtefactError": "models.errors",
    "BackendError": "models.errors",
    "CacheInfo": "models.cache",
    "CampaignScore": "models.enrichment",
    "CampaignTopic": "models.campaign",
    "ConstantEnricher": "models.constant",
    "Enricher": "models.enricher",
    "Enrichment": "models.enrichment",
    "EvaluationDataError": "models.errors",
    "HubEnricher": "models.hub",
    "HubModelError": "models.errors",
    "Language": "models.enrichment",
    "MissingBackendExtra": "models.errors",
    "ModelError": "models.errors",
    "ModelInfo": "models.enrichment",
    "Sentiment": "models.enrichment",
    "TextEnricher": "models.enricher",
    "TopicScore": "models.enrichment",
    "TopicsFileError": "models.errors",
    "read_topics": "models.campaign",
}
"""Each name is imported when it is first used, so that the messages can share these types without loading a model."""

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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
