"""A raw topic whose records are a second apart."""

from __future__ import annotations

from streams.kafka import topics
from streams.settings import Settings
from tests.helpers.posts import START, raw_posts
from tests.helpers.records import produce

START_MS = int(START.timestamp() * 1000)


def fill(settings: Settings, number: int) -> None:
    topics.create(settings)
    for place, pair in enumerate(raw_posts(range(number))):
        if place % 10 == 0:
            batch = []
        batch.append(pair)
        if len(batch) == 10 or place == number - 1:
            produce(settings.kafka, settings.topics.raw, batch, timestamp_ms=START_MS + place * 1000)
