"""Computes the error rates of `models.prior_shift` from judged posts."""

from collections.abc import Mapping

from models.enrichment import ModelInfo
from models.errors import EvaluationDataError
from models.evaluation.sentiment import JudgedPosts, pooled
from models.prior_shift import ErrorRates, SentimentRates

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


def error_rates(folders: Mapping[str, JudgedPosts], model: ModelInfo) -> ErrorRates:
    """Return the error rates of each folder, by the code of its language, and of all folders together.

    Raises:
        EvaluationDataError: If a folder has no posts of a sentiment, or two folders have the same language.
    """
    codes = [UMSAB_LANGUAGES.get(name, name) for name in folders]
    if repeated := sorted({code for code in codes if codes.count(code) > 1}):
        raise EvaluationDataError(f"error rates: two folders have the language {', '.join(repeated)}")
    return ErrorRates(
        model=model,
        languages={code: _rates(name, folders[name]) for code, name in zip(codes, folders, strict=True)},
        together=_rates("all", pooled(folders.values())),
    )


def _rates(name: str, judged: JudgedPosts) -> SentimentRates:
    try:
        return SentimentRates.of(judged.confusion)
    except ValueError as error:
        raise EvaluationDataError(f"error rates: {name} has {error}") from error
