"""Asking the model for many posts, with a sign of life."""

from collections.abc import Callable, Sequence

from models.enricher import TextEnricher
from models.enrichment import Enrichment, ModelInfo

Advance = Callable[[int], None]
"""Told the number of posts that are done since the last call."""

CHUNK = 512
"""Posts between two signs of life; large enough to sort by length within it."""


def silent(posts: int) -> None:
    """Tell nobody."""


def ask(enricher: TextEnricher, texts: Sequence[str], advance: Advance = silent) -> list[Enrichment]:
    """Return what the model says of each text, in their order."""
    answers: list[Enrichment] = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        answers += enricher.enrich(chunk)
        advance(len(chunk))
    return answers


def model_of(enricher: TextEnricher) -> ModelInfo:
    """Return what the model writes beside its answers."""
    return enricher.enrich([""])[0].model
