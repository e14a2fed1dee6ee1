"""Error rates of the sentiment model, and shares of posts corrected for them.

Counting a classifier's answers also counts its mistakes: if it labels a tenth of the neutral posts negative, even a calm
day seems to have negative posts. `python -m models eval sentiment --rates FILE` measures the error rates, and
`corrected_shares` corrects for them. The rates differ between kinds of posts, so that they are measured on several domains,
and `corrected_interval` says how far a share may be off on a day that is a domain of its own.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from models.enrichment import ModelInfo
from models.errors import RatesFileError

Floats = npt.NDArray[np.float64]

SCHEMA = 2
"""Version of the file format; readers must reject any other version."""

_SENTIMENTS = ("negative", "neutral", "positive")
_MOST_STEPS = 2_000
_SETTLED = 1e-10
_LEAST = 1e-12
_UNIFORM = 0.01
_ENOUGH_DOMAINS = 3
_DRAWS = 1_000
_LEVEL = 0.95

Counts = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
Rates = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


class SentimentRates(Struct, frozen=True, kw_only=True):
    """A sentiment confusion matrix, as counts of posts and as P(predicted | true).

    Rows are true, columns are predicted sentiments; each row of `rates` sums to 1.
    """

    counts: Counts
    rates: Rates

    @property
    def matrix(self) -> Floats:
        """P(predicted | true) as a 3 x 3 array, as `corrected_shares` takes it."""
        return np.array(self.rates)


class DomainRates(SentimentRates, frozen=True, kw_only=True):
    """The rates of one domain: posts of one kind, such as a data set, in one language.

    Attributes:
        language: BCP-47 code, or the name of the folder if it is not named after a known language.
    """

    language: str

    @classmethod
    def of(cls, language: str, counts: npt.NDArray[np.int64]) -> Self:
        """Create the rates by dividing each row of `counts` (3 x 3) by its sum.

        Raises:
            ValueError: If a true sentiment has no posts.
        """
        posts = counts.sum(axis=1)
        if not posts.all():
            raise ValueError(f"no {_SENTIMENTS[int(np.flatnonzero(posts == 0)[0])]} posts")
        rates = _listed(counts / posts[:, None])
        return msgspec.convert({"language": language, "counts": counts.tolist(), "rates": rates}, cls)


class MeanRates(SentimentRates, frozen=True, kw_only=True):
    """The rates of several domains.

    Attributes:
        domains: Number of domains.
        counts: Posts of all domains together.
        rates: Mean of the rates of the domains; all domains weigh the same.
        deviations: Standard deviation of each rate between the domains; null if there is only one.
    """

    domains: int
    deviations: Rates | None

    @classmethod
    def of(cls, domains: Iterable[SentimentRates]) -> Self:
        """Create the rates of at least one domain."""
        counts, rates = zip(*((each.counts, each.rates) for each in domains), strict=True)
        spread = _listed(np.std(rates, axis=0, ddof=1)) if len(rates) > 1 else None
        return msgspec.convert(
            {
                "domains": len(rates),
                "counts": np.sum(counts, axis=0).tolist(),
                "rates": _listed(np.mean(rates, axis=0)),
                "deviations": spread,
            },
            cls,
        )


class ErrorRates(Struct, frozen=True, kw_only=True, rename={"together": "all"}):
    """The contents of a file of error rates (JSON).

    Attributes:
        schema: 2.
        task: `sentiment`.
        labels: Order of rows and columns: negative, neutral, positive.
        model: Name and version of the measured model; the rates do not apply to any other.
        domains: Rates by name of the domain.
        languages: Mean rates over the domains of each language.
        together: `all` in the file: mean rates over all domains, used for languages without domains of their own.

        {"schema": 2, "task": "sentiment", "labels": ["negative", "neutral", "positive"],
         "model": {"name": "...", "version": "..."},
         "domains": {"umsab de": {"language": "de", "counts": [[80, 15, 13], ...], "rates": [[0.740741, ...], ...]}, ...},
         "languages": {"de": {"domains": 2, "counts": ..., "rates": ..., "deviations": [[0.05, ...], ...]}, ...},
         "all": {"domains": 9, "counts": ..., "rates": ..., "deviations": ...}}
    """

    schema: int = SCHEMA
    task: str = "sentiment"
    labels: tuple[str, str, str] = _SENTIMENTS
    model: ModelInfo
    domains: dict[str, DomainRates]
    languages: dict[str, MeanRates]
    together: MeanRates

    @classmethod
    def measured(cls, domains: Mapping[str, DomainRates], model: ModelInfo) -> Self:
        """Create the rates of at least one domain, and from them those of their languages."""
        by_language: dict[str, list[DomainRates]] = {}
        for each in domains.values():
            by_language.setdefault(each.language, []).append(each)
        return cls(
            model=model,
            domains=dict(domains),
            languages={language: MeanRates.of(each) for language, each in by_language.items()},
            together=MeanRates.of(domains.values()),
        )

    def of(self, language: str) -> MeanRates:
        """Return the mean rates of a language, or those over all domains if the language was not measured."""
        return self.languages.get(language, self.together)

    def spread(self, language: str) -> MeanRates:
        """Return the rates whose deviations are those between domains of a language.

        They are those over all domains if the language has fewer than three, because two hardly show a spread.
        """
        own = self.of(language)
        return own if own.domains >= _ENOUGH_DOMAINS else self.together


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
    for name, each in (*rates.domains.items(), *rates.languages.items(), ("all", rates.together)):
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
    return _most_likely(seen, matrix)


class CorrectedShares(NamedTuple):
    """True shares of the labels, and the limits between which each lies with 95 % probability."""

    shares: Floats
    low: Floats
    high: Floats


def corrected_interval(counts: npt.ArrayLike, rates: ErrorRates, language: str, *, seed: int = 0) -> CorrectedShares:
    """Return the true shares of the sentiments of a language, with an interval for the posts of a new domain.

    The shares are corrected with the mean rates of the language. The interval is made of 1,000 corrections, each of counts
    drawn from a multinomial distribution (the sampling error) with rates drawn from Dirichlet distributions (Fox et al.,
    2005, "A Method to Automate Probabilistic Sensitivity Analyses of Misclassified Binary Variables"). A true sentiment's
    distribution has the mean of the language's rates and the variance between domains, by moments as in Minka (2000),
    "Estimating a Dirichlet Distribution"; it is larger by 1 / domains, as the mean is uncertain itself. The three are drawn
    independently, although a domain that is called negative too often may be so for all true sentiments.

    Args:
        counts: Posts by predicted sentiment (3); they must not all be 0.
        rates: Error rates of the model that predicted them.
        language: The language of the posts.
        seed: Seed of the draws; the same arguments give the same interval.

    Raises:
        ValueError: If there are not three counts, one is negative or not finite, or all are 0.
    """
    mean = rates.of(language)
    shares = corrected_shares(counts, mean.matrix)
    generator = np.random.default_rng(seed)
    posts = np.asarray(counts, np.float64)
    observed = generator.multinomial(round(posts.sum()), posts / posts.sum(), _DRAWS)
    weights = np.maximum(_concentrations(mean, rates.spread(language))[:, None] * mean.matrix, _LEAST)
    drawn = np.stack([generator.dirichlet(row, _DRAWS) for row in weights], axis=1)
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(_most_likely(observed, drawn), (tail, 1 - tail), axis=0)
    return CorrectedShares(shares, np.minimum(low, shares), np.maximum(high, shares))


def _concentrations(mean: MeanRates, spread: MeanRates) -> Floats:
    """Return the sum of the parameters of each true sentiment's Dirichlet distribution (3), at most its posts."""
    posts: Floats = np.array(mean.counts, np.float64).sum(axis=1)
    if spread.deviations is None:
        return posts
    between = (1 + 1 / mean.domains) * np.square(spread.deviations).sum(axis=1)
    within = (mean.matrix * (1 - mean.matrix)).sum(axis=1)
    found: Floats = np.clip(within / np.maximum(between, _LEAST) - 1, 1, posts)
    return found


def _listed(matrix: npt.ArrayLike) -> Any:
    return np.asarray(matrix, np.float64).round(6).tolist()


def _most_likely(observed: npt.ArrayLike, rates: npt.ArrayLike) -> Floats:
    """Return `corrected_shares` of valid arguments; each row of `observed` may have rates of its own."""
    seen, matrix = np.asarray(observed, np.float64), np.asarray(rates, np.float64)
    seen = seen / seen.sum(axis=-1, keepdims=True)
    matrix = matrix / matrix.sum(axis=-1, keepdims=True)
    # A share that starts at 0 would stay at 0.
    shares: Floats = (1 - _UNIFORM) * seen + _UNIFORM / matrix.shape[-1]
    for _ in range(_MOST_STEPS):
        expected = np.maximum(np.einsum("...i,...ij->...j", shares, matrix), _LEAST)
        improved: Floats = shares * np.einsum("...j,...ij->...i", seen / expected, matrix)
        improved /= improved.sum(axis=-1, keepdims=True)
        settled = np.abs(improved - shares).max(initial=0) < _SETTLED
        shares = improved
        if settled:
            break
    return shares
