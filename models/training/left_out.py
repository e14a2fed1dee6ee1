"""Compares ways to learn the sentiment by domains that are left out, in turn, of the training.

A full training per domain would take days. Linear heads on the mean vectors of the frozen encoder,
which has seen no label, take its place: they are weaker than the network, but rank the choices of loss, weights and prior.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.enrichment import SENTIMENTS
from models.training import domains, priors
from models.training.corpus import is_held_out
from models.training.data import TrainingRow
from models.training.domains import DomainScores
from models.training.sets import SETS

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

MOST_LEARNED = 500
MOST_SCORED = 160
"""Maximum number of rows per set to learn from, and per domain to score."""

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Strengths of the prior that are compared."""

_PENALTY = 1e-4
_ITERATIONS = 50
_MASKED = -1e4


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to learn the sentiment.

    Attributes:
        name: Its name in the table.
        adjusted: Whether the shares of the labels in each set are added to the logits in training only.
        balanced: Whether the labels of a set weigh the same.
        one_sided: Whether sets without neutral posts are learned from.
    """

    name: str
    adjusted: bool = False
    balanced: bool = False
    one_sided: bool = True


CHOICES = (
    Choice("as labelled"),
    Choice("labels of equal weight", balanced=True),
    Choice("adjusted logits", adjusted=True),
    Choice("adjusted logits, without sets that have no neutral posts", adjusted=True, one_sided=False),
)


def sample(rows: Sequence[TrainingRow], seed: int) -> Places:
    """Return the indices of the rows that the comparison needs: training rows of each set, and rows to choose by."""
    rng = np.random.default_rng(seed)
    sets: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.sentiment is not None and not is_held_out(row) and row.source in SETS and row.source != "undetermined":
            sets[row.source].append(index)
    learned = [rng.choice(places, min(len(places), MOST_LEARNED), replace=False) for places in sets.values()]
    scored = domains.of_sentiment(rows, most=MOST_SCORED).values()
    return np.unique(np.concatenate([*learned, *scored]))


def compare(
    rows: Sequence[TrainingRow], vectors: Floats, every_row: Sequence[TrainingRow]
) -> Iterator[tuple[str, DomainScores]]:
    """Yield the name of each choice, with each strength of the prior, and its scores on the domains left out.

    Args:
        rows: The rows of `sample`.
        vectors: Their vectors (rows x width).
        every_row: All rows, from which the prior of a language is taken.
    """
    chosen = domains.of_sentiment(rows)
    inputs = torch.from_numpy((vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + np.float32(1e-6)))
    truth = np.array([-1 if row.sentiment is None else row.sentiment for row in rows])
    for choice in CHOICES:
        logits = np.zeros((len(rows), len(SENTIMENTS)), np.float32)
        for name, places in chosen.items():
            left_out = _set_of(name)
            logits[places] = _fit(rows, inputs, truth, choice, left_out)(inputs[places])
        for strength in STRENGTHS if choice.adjusted else (0.0,):
            predicted = np.full(len(rows), -1)
            for name, places in chosen.items():
                odds = priors.log_odds(priors.shares(every_row, 1.0, without=_set_of(name)), strength)
                added = [odds.get(rows[index].language or "", odds[priors.ANY]) for index in places.tolist()]
                predicted[places] = (logits[places] + np.array(added)).argmax(axis=1)
            label = f"{choice.name}, prior {strength}" if choice.adjusted else choice.name
            yield label, domains.score(chosen, truth, predicted)


def _set_of(domain: str) -> str:
    name = domain.split()[0]
    return f"{name}-train" if f"{name}-train" in SETS else name


def _fit(
    rows: Sequence[TrainingRow], inputs: Tensor, truth: Places, choice: Choice, left_out: str
) -> Callable[[Tensor], Floats]:
    """Fit a multinomial logistic regression on all sets but one; return what gives its logits."""
    learned = [
        index
        for index, row in enumerate(rows)
        if row.source in SETS and row.source != left_out and (choice.one_sided or not row.unknown)
    ]
    groups: Mapping[str, list[int]] = defaultdict(list)
    for place, index in enumerate(learned):
        groups[rows[index].source].append(place)
    labels = truth[learned]
    weights, prior = np.zeros(len(learned), np.float32), np.zeros((len(learned), len(SENTIMENTS)), np.float32)
    for places in groups.values():
        counts = np.bincount(labels[places], minlength=len(SENTIMENTS)).astype(np.float32)
        weights[places] = 1 / len(places)
        if choice.balanced:
            weights[places] = 1 / (counts[labels[places]] * (counts > 0).sum())
        if choice.adjusted:
            prior[places] = np.log(np.maximum(counts / counts.sum(), 0.02))
    silent = np.array(
        [["neutral" in rows[index].unknown and name == "neutral" for name in SENTIMENTS] for index in learned]
    )
    offsets = torch.from_numpy(np.where(silent, _MASKED, prior).astype(np.float32))
    values, wanted = inputs[learned], torch.from_numpy(labels)
    shares = torch.from_numpy(weights / weights.sum())
    slope = torch.zeros(len(SENTIMENTS), values.shape[1], requires_grad=True)
    bias = torch.zeros(len(SENTIMENTS), requires_grad=True)
    optimiser = torch.optim.LBFGS([slope, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = torch.nn.functional.cross_entropy(values @ slope.T + bias + offsets, wanted, reduction="none")
        total = (losses * shares).sum() + _PENALTY * slope.square().sum()
        total.backward()
        return total

    optimiser.step(closure)

    def logits(given: Tensor) -> Floats:
        with torch.no_grad():
            found: Floats = (given @ slope.T + bias).numpy()
        return found

    return logits
