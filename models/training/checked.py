"""The held-out posts on which an artefact is checked: the domains of the sentiment, by language."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.enricher import NO_LANGUAGE
from models.enrichment import SENTIMENTS
from models.errors import TrainingDataError
from models.evaluation import LabelledPosts
from models.training import domains
from models.training.data import TrainingRow

MOST_POSTS = 2_000
"""Approximate maximum of posts of a domain."""

LEAST_POSTS = 20
"""Least posts of each sentiment; the rates of fewer are noise."""


class CheckedDomain(NamedTuple):
    """The posts of a domain in one language."""

    language: str
    posts: LabelledPosts


def checked_domains(rows: Sequence[TrainingRow], *, published: bool) -> dict[str, CheckedDomain]:
    """Return the posts of each domain, and of each language of a domain with several, that have all three sentiments.

    Sets without a neutral class are left out.

    Args:
        rows: Rows of the corpus.
        published: Whether the posts are of the published half; otherwise, they are of the other half.

    Raises:
        TrainingDataError: If there is no such domain.
    """
    found: dict[str, CheckedDomain] = {}
    for domain, indices in domains.of_sentiment(rows, published=published, most=MOST_POSTS).items():
        by_language: dict[str, list[TrainingRow]] = {}
        for row in (rows[index] for index in indices.tolist()):
            if "neutral" not in row.unknown:
                by_language.setdefault(row.language or NO_LANGUAGE, []).append(row)
        for language, own in sorted(by_language.items()):
            labels = np.array([row.sentiment for row in own], np.int64)
            if np.bincount(labels, minlength=len(SENTIMENTS)).min() >= LEAST_POSTS:
                name = domain if domain.endswith(f" {language}") else f"{domain} {language}"
                found[name] = CheckedDomain(language, LabelledPosts(tuple(row.text for row in own), labels))
    if not found:
        raise TrainingDataError(
            f"no held-out domain has {LEAST_POSTS} posts of each sentiment to check the artefact on"
        )
    return found
