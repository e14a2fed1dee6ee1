"""How often the model takes one sentiment for another, and shares of posts corrected for it.

Counting a classifier's answers counts its mistakes too: where it calls a tenth of the neutral posts negative, a calm day
shows negative posts that nobody wrote. `python -m models eval sentiment --rates FILE` measures the rates, and
`corrected_shares` takes them out.
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
"""Version of the file; a reader of another version must refuse it."""

_SENTIMENTS = ("negative", "neutral", "positive")
_MOST_STEPS = 2_000
_SETTLED = 1e-10
_LEAST = 1e-12
_UNIFORM = 0.01


class SentimentRates(Struct, frozen=True, kw_only=True):
    """Posts by true (row) and predicted sentiment (column), and the same as P(predicted | true): each row sums to 1."""

    counts: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
    rates: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

    @classmethod
    def of(cls, counts: npt.NDArray[np.int64]) -> Self:
        """Divide counts (3 x 3) by their rows.

        Raises:
            ValueError: a sentiment has no post in truth.
        """
        posts = counts.sum(axis=1)
        if not posts.all():
            raise ValueError(f"no {_SENTIMENTS[int(np.flatnonzero(posts == 0)[0])]} post")
        rates = np.round(counts / posts[:, None], 6)
        return msgspec.convert({"counts": counts.tolist(), "rates": rates.tolist()}, cls)

    @property
    def matrix(self) -> Floats:
        """P(predicted | true), 3 x 3, as `corrected_shares` wants it."""
        return np.array(self.rates)


class ErrorRates(Struct, frozen=True, kw_only=True, rename={"together": "all"}):
    """A file of error rates, JSON.

    Attributes:
        schema: 1.
        task: `sentiment`.
        labels: the order of rows and columns: negative, neutral, positive.
        model: name and version of the model that was measured; the rates hold for no other.
        languages: rates by BCP-47 code, or by the name of a folder that is no known language.
        together: `all` in the file: the rates over all posts, for the languages that have none of their own.

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
        """Return the rates of a language, or those of all posts where it was not measured."""
        return self.languages.get(language, self.together)


def read_rates(path: Path) -> ErrorRates:
    """Read a file that `eval sentiment --rates` wrote.

    Raises:
        RatesFileError: it cannot be read, is of another schema, or its rows are no probabilities.
    """
    try:
        rates = msgspec.json.decode(path.read_bytes(), type=ErrorRates)
    except OSError as error:
        raise RatesFileError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RatesFileError(f"{path}: {error}") from error
    if (rates.schema, rates.task, rates.labels) != (SCHEMA, "sentiment", _SENTIMENTS):
        raise RatesFileError(f"{path}: not a file of sentiment rates of schema {SCHEMA}: write it with this version")
    for name, each in (*rates.languages.items(), ("all", rates.together)):
        if (each.matrix < 0).any() or not np.allclose(each.matrix.sum(axis=1), 1, atol=1e-4):
            raise RatesFileError(f"{path}: the rows of {name} are no probabilities that sum to 1")
    return rates


def write_rates(rates: ErrorRates, path: Path) -> None:
    """Write a file that `read_rates` reads, and the folder it is in where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rates), indent=1) + b"\n")


def corrected_shares(observed: npt.ArrayLike, rates: npt.ArrayLike) -> Floats:
    """Return the true shares of the labels that most probably led to the observed ones (... x labels, each sums to 1).

    Where they exist, these are the shares that solve `observed = rates.T @ shares`; else the nearest in likelihood, so
    that no share is ever negative (expectation maximisation of a multinomial mixture, as in Saerens et al., 2002,
    "Adjusting the Outputs of a Classifier to New a Priori Probabilities"). Rates that hardly tell the labels apart
    leave the observed shares nearly as they are, instead of blowing up their noise as the inverse matrix would.

    Args:
        observed: shares or counts of the predicted labels (... x labels), of which not all may be 0.
        rates: P(predicted | true), a row for each true label (labels x labels).

    Raises:
        ValueError: shapes that do not fit, negative or infinite numbers, or nothing observed.
    """
    seen, matrix = np.asarray(observed, np.float64), np.asarray(rates, np.float64)
    if matrix.ndim != 2 or seen.shape[-1:] * 2 != matrix.shape:
        raise ValueError(f"observed {seen.shape} and rates {matrix.shape} do not fit")
    for numbers in (seen, matrix):
        if not np.isfinite(numbers).all() or (numbers < 0).any() or not numbers.sum(axis=-1).all():
            raise ValueError("observed and rates must be finite, not negative, and not all 0 in a row")
    seen = seen / seen.sum(axis=-1, keepdims=True)
    matrix = matrix / matrix.sum(axis=1, keepdims=True)
    # A share that starts at 0 would stay there.
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
