"""Runs the model on many posts and reports the progress."""

from collections.abc import Callable, Sequence

from models.enricher import TextEnricher
from models.enrichment import Enrichment, ModelInfo

Advance = Callable[[int], None]
"""Progress callback; receives the number of posts completed since the last call."""

CHUNK = 512
"""Number of posts between progress reports; large enough to batch posts of similar length."""


def silent(posts: int) -> None:
    """Ignore the progress."""


def ask(enricher: TextEnricher, texts: Sequence[str], advance: Advance = silent) -> list[Enrichment]:
    """Return the model's answer for each text, in order."""
    answers: list[Enrichment] = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        answers += enricher.enrich(chunk)
        advance(len(chunk))
    return answers


def model_of(enricher: TextEnricher) -> ModelInfo:
    """Return the name, version, back end and precision that the model puts into its answers."""
    return enricher.enrich([""])[0].model
