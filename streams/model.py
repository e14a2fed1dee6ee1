"""Loads the model named by the settings, for the workers and for `tagpulse doctor` alike."""

from __future__ import annotations

import os
from collections.abc import Sequence

from models.campaign import CampaignTopic
from models.constant import ConstantEnricher
from models.enricher import Enricher, TextEnricher
from models.errors import ArtefactError, BackendError, HubModelError
from streams.campaign import Campaign
from streams.errors import SettingsError
from streams.settings import ModelSettings


def load_enricher(settings: ModelSettings, campaign: Campaign, threads: int | None = None) -> TextEnricher:
    """Load the model.

    Args:
        settings: The model and its back end.
        campaign: Its topics are scored.
        threads: Number of threads; by default that of the settings, or the number of processors.

    Raises:
        SettingsError: The model cannot be loaded; the message names the setting at fault.
    """
    topics = [
        CampaignTopic(
            name=topic.name,
            description=topic.description,
            examples=topic.examples,
            negative_examples=topic.negative_examples,
            threshold=topic.threshold,
        )
        for topic in campaign.topics
    ]
    try:
        return _load(settings, topics, threads or settings.threads or os.cpu_count() or 1)
    except ArtefactError as error:
        raise SettingsError(f"TAGPULSE_MODEL__PATH: {error}") from error
    except HubModelError as error:
        raise SettingsError(f"TAGPULSE_MODEL__HUB_{error.task.upper()}: {error}") from error
    except BackendError as error:
        wanted = f"TAGPULSE_MODEL__BACKEND={settings.backend}, TAGPULSE_MODEL__PRECISION={settings.precision}"
        raise SettingsError(f"{wanted}: {error}") from error


def _load(settings: ModelSettings, topics: Sequence[CampaignTopic], threads: int) -> TextEnricher:
    if settings.backend == "constant":
        return ConstantEnricher()
    if settings.backend == "hub":
        from models.hub import HubEnricher

        return HubEnricher.load(
            sentiment=settings.hub_sentiment,
            language=settings.hub_language,
            topic=settings.hub_topic,
            topic_threshold=settings.hub_topic_threshold,
            precision=settings.precision,
            threads=threads,
            cache_size=settings.cache_size,
            campaign_topics=topics,
        )
    return Enricher.load(
        settings.path,
        backend=settings.backend,
        precision=settings.precision,
        threads=threads,
        cache_size=settings.cache_size,
        campaign_topics=topics,
    )
