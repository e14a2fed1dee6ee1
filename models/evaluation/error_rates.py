"""Computes the error rates of `models.prior_shift` from judged posts."""

from collections.abc import Mapping
from typing import NamedTuple

from models.enrichment import ModelInfo
from models.errors import EvaluationDataError
from models.evaluation.sentiment import JudgedPosts
from models.prior_shift import DomainRates, ErrorRates

UMSAB_LANGUAGES = {
    "arabic": "ar",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi-Latn",  # romanised Hinglish
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
}
"""Language code that the model assigns to the posts of each folder of the UMSAB data set."""


class JudgedDomain(NamedTuple):
    """The posts of a domain and their language."""

    language: str
    posts: JudgedPosts


def error_rates(domains: Mapping[str, JudgedDomain], model: ModelInfo) -> ErrorRates:
    """Return the error rates of each domain, of each language and of all domains.

    Raises:
        EvaluationDataError: If a domain has no posts of a sentiment.
    """
    return ErrorRates.measured({name: _rates(name, each) for name, each in domains.items()}, model)


def _rates(name: str, judged: JudgedDomain) -> DomainRates:
    try:
        return DomainRates.of(judged.language, judged.posts.confusion)
    except ValueError as error:
        raise EvaluationDataError(f"error rates: {name} has {error}") from error
