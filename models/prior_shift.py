"""Error rates of the sentiment model, and shares of posts corrected for them.

Counting a classifier's answers also counts its mistakes: if it labels a tenth of the neutral posts negative, even a calm
day seems to have negative posts. `python -m models eval sentiment --rates FILE` measures the error rates, and
`corrected_shares` corrects for them.
"""

from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from models.enrichment import ModelInfo
from models.errors import RatesFileError

Floats = npt.NDArray[np.float64]

SCHEMA = 1
"""Version of the file format; readers must reject any other version."""

_SENTIMENTS = ("negative", "neutral", "positive")
_MOST_STEPS = 2_000
_SETTLED = 1e-10
_LEAST = 1e-12
_UNIFORM = 0.01


class SentimentRates(Struct, frozen=True, kw_only=True):
    """A sentiment confusion matrix, as counts of posts and as P(predicted | true).

    Rows are true, columns are predicted sentiments; each row of `rates` sums to 1.
    """

    counts: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
    rates: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

    @classmethod
    def of(cls, counts: npt.NDArray[np.int64]) -> Self:
        """Create the rates by dividing each row of `counts` (3 x 3) by its sum.

        Raises:
            ValueError: If a true sentiment has no posts.
        """
        posts = counts.sum(axis=1)
        if not posts.all():
            raise ValueError(f"no {_SENTIMENTS[int(np.flatnonzero(posts == 0)[0])]} posts")
        rates = np.round(counts / posts[:, None], 6)
        return msgspec.convert({"counts": counts.tolist(), "rates": rates.tolist()}, cls)

    @property
    def matrix(self) -> Floats:
        """P(predicted | true) as a 3 x 3 array, as `corrected_shares` takes it."""
        return np.array(self.rates)


class ErrorRates(Struct, frozen=True, kw_only=True, rename={"together": "all"}):
    """The contents of a file of error rates (JSON).

    Attributes:
        schema: 1.
        task: `sentiment`.
        labels: Order of rows and columns: negative, neutral, positive.
        model: Name and version of the measured model; the rates do not apply to any other.
        languages: Rates by BCP-47 code, or by folder name if the folder is not named after a known language.
        together: `all` in the file: rates over all posts, used for languages without rates of their own.

        {"schema": 1, "task": "sentiment", "labels": ["negative", "neutral", "positive"],
         "model": {"name": "...", "version": "..."},
         "languages": {"de": {"counts": [[80, 15, 13], ...], "rates": [[0.740741, 0.138889, 0.12037], ...]}, ...},
         "all": {"counts": ..., "rates": ...}}
    """

    schema: int = SCHEMA
    task: str = "sentiment"
    labels: tuple[str, str, str] = _SENTIMENTS
    model: ModelInfo
    languages: dict[str, SentimentRates]
    together: SentimentRates

    def of(self, language: str) -> SentimentRates:
        """Return the rates of a language, or those over all posts if the language was not measured."""
        return self.languages.get(language, self.together)


def read_rates(path: Path) -> ErrorRates:
    """Read a file written by `eval sentiment --rates`.

    Raises:
        RatesFileError: If the file cannot be read, has another schema, or has rows that are not probabilities.
    """
    try:
        rates = msgspec.json.decode(path.read_bytes(), type=ErrorRates)
    except OSError as error:
        raise RatesFileError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RatesFileError(f"{path}: {error}") from error
    if (rates.schema, rates.task, rates.labels) != (SCHEMA, "sentiment", _SENTIMENTS):
        raise RatesFileError(
            f"{path}: not sentiment error rates of schema {SCHEMA}: write the file again with this version of tagpulse"
        )
    for name, each in (*rates.languages.items(), ("all", rates.together)):
        if (each.matrix < 0).any() or not np.allclose(each.matrix.sum(axis=1), 1, atol=1e-4):
            raise RatesFileError(f"{path}: the rows of {name} are not probabilities that sum to 1")
    return rates


def write_rates(rates: ErrorRates, path: Path) -> None:
    """Write a file for `read_rates`, creating its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rates), indent=1) + b"\n")


def corrected_shares(observed: npt.ArrayLike, rates: npt.ArrayLike) -> Floats:
    """Return the maximum-likelihood estimate of the true shares of the labels, given the observed ones.

    If valid shares solve `observed = rates.T @ shares`, the estimate is that solution. Otherwise it is the nearest in
    likelihood, so no share is ever negative (expectation maximisation of a multinomial mixture, as in Saerens et al.,
    2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities"). If the rates hardly distinguish the
    labels, the observed shares stay nearly unchanged, whereas inverting the matrix would amplify their noise.

    Args:
        observed: Shares or counts of the predicted labels (... x labels); they must not all be 0.
        rates: P(predicted | true), one row per true label (labels x labels).

    Returns:
        True shares (... x labels); each row sums to 1.

    Raises:
        ValueError: If the shapes do not match, a number is negative or not finite, or a row is all 0.
    """
    seen, matrix = np.asarray(observed, np.float64), np.asarray(rates, np.float64)
    if matrix.ndim != 2 or seen.shape[-1:] * 2 != matrix.shape:
        raise ValueError(f"the shapes of observed {seen.shape} and rates {matrix.shape} do not fit together")
    for numbers in (seen, matrix):
        if not np.isfinite(numbers).all() or (numbers < 0).any() or not numbers.sum(axis=-1).all():
            raise ValueError("observed and rates must be finite and not negative, and no row may be all 0")
    seen = seen / seen.sum(axis=-1, keepdims=True)
    matrix = matrix / matrix.sum(axis=1, keepdims=True)
    # A share that starts at 0 would stay at 0.
    shares: Floats = (1 - _UNIFORM) * seen + _UNIFORM / len(matrix)
    for _ in range(_MOST_STEPS):
        expected = np.maximum(shares @ matrix, _LEAST)
        improved: Floats = shares * ((seen / expected) @ matrix.T)
        improved /= improved.sum(axis=-1, keepdims=True)
        settled = np.abs(improved - shares).max(initial=0) < _SETTLED
        shares = improved
        if settled:
            break
    return shares
