"""From judged posts to the file of error rates that `models.rates` reads."""

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
"""Folders of the UMSAB data set by the code that the model gives to their posts."""


def error_rates(folders: Mapping[str, JudgedPosts], model: ModelInfo) -> ErrorRates:
    """Count the mistakes in each folder, under the code of its language, and in all of them.

    Raises:
        EvaluationDataError: a folder lacks posts of a sentiment, or two folders are one language.
    """
    codes = [UMSAB_LANGUAGES.get(name, name) for name in folders]
    if repeated := sorted({code for code in codes if codes.count(code) > 1}):
        raise EvaluationDataError(f"error rates: two folders are {', '.join(repeated)}")
    return ErrorRates(
        model=model,
        languages={code: _rates(name, folders[name]) for code, name in zip(codes, folders, strict=True)},
        together=_rates("all", pooled(folders.values())),
    )


def _rates(name: str, judged: JudgedPosts) -> SentimentRates:
    try:
        return SentimentRates.of(judged.confusion)
    except ValueError as error:
        raise EvaluationDataError(f"error rates: {name} holds {error}") from error
