"""Vectors for campaign topics: the frozen encoder's representation of the subject of a text, kept during fine-tuning.

Fine-tuning for sentiment would blur these vectors. The network therefore also learns to reproduce the mean vector of the
frozen encoder, mapped so that translations of a sentence coincide (whitening by the within-class covariance of parallel
sentences; Hatch et al., 2006, who used it for speakers). After training, the directions in which posts differ most are
scaled down, because they say little about campaign topics (whitening by the covariance of posts).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from models.artefact import CampaignCalibration
from models.campaign import fit_lines
from models.training.data import TrainingRow
from models.training.graph import GraphHead

Floats = npt.NDArray[np.float32]

POSTS = frozenset({"x_topic", "umsab-train", "semeval", "afrisenti-train", "crisis"})
"""Data sets of posts on which the vectors are centred; their labels are not used."""

_WITHIN_SHRINKAGE = 1.0
_TOTAL_SHRINKAGE = 3.0
_EXAMPLES = (3, 6, 12)
_DRAWS = 5
_MOST_TOPICS = 6
_MOST_POSTS = 3_000
_LIMITS = np.arange(0.3, 1.5, 0.05).tolist()
FEWEST_POSTS = 40
"""Number of texts that a label needs to be simulated as a campaign topic."""


@dataclass(frozen=True, slots=True)
class VectorMap:
    """The affine map `(vectors - mean) @ matrix.T`."""

    mean: Floats
    matrix: Floats

    def __call__(self, vectors: npt.NDArray[np.floating]) -> Floats:
        return np.asarray((vectors.astype(np.float32) - self.mean) @ self.matrix.T)

    def after(self, head: GraphHead) -> GraphHead:
        """Return a head that applies this map to the outputs of `head`."""
        return GraphHead(self.matrix @ head.weight, self.matrix @ (head.bias - self.mean))


def translations_together(rows: Sequence[TrainingRow], vectors: npt.NDArray[np.floating]) -> VectorMap:
    """Fit the map of the teacher's vectors on parallel sentences, centred on posts."""
    sentences: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.source == "sib200" and row.sentence is not None:
            sentences[row.sentence].append(index)
    groups = [vectors[members].astype(np.float64) for members in sentences.values()]
    deviations = np.concatenate([group - group.mean(axis=0) for group in groups])
    return _whitening(deviations.T @ deviations / len(deviations), _posts_mean(rows, vectors), _WITHIN_SHRINKAGE)


def posts_apart(rows: Sequence[TrainingRow], vectors: npt.NDArray[np.floating]) -> VectorMap:
    """Fit the map that scales down the directions in which posts differ most."""
    posts = vectors[_posts(rows)].astype(np.float64)
    return _whitening(np.cov(posts.T), posts.mean(axis=0), _TOTAL_SHRINKAGE)


def unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """Scale vectors to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A simulated campaign.

    Attributes:
        positions: Where each post that is not an example is on the line of each topic (posts x topics).
        present: Whether it belongs to the topic.
    """

    positions: npt.NDArray[np.float64]
    present: npt.NDArray[np.bool_]

    @property
    def area(self) -> float:
        """Area under the ROC curve, averaged over the topics."""
        return float(roc_auc_score(self.present, self.positions, average="macro"))

    def f1(self, limit: float) -> Floats:
        """Return the F1 of each topic if every post gets the topic on whose line it is farthest, from `limit` on.

        A post of several topics counts for the one that it gets, or else for its first.
        """
        posts, none = np.arange(len(self.present)), self.present.shape[1]
        best = self.positions.argmax(axis=1)
        given = np.where(self.positions[posts, best] >= limit, best, none)
        first = np.where(self.present.any(axis=1), self.present.argmax(axis=1), none)
        wanted = np.where(self.present[posts, best] & (given != none), best, first)
        return np.asarray(f1_score(wanted, given, labels=range(none), average=None, zero_division=0), np.float32)


def sample(indices: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return at most 3,000 of the indices of texts to simulate campaigns on."""
    return np.random.default_rng(seed).permutation(indices)[:_MOST_POSTS]


def simulate(rows: Sequence[TrainingRow], vectors: Floats, seed: int = 0) -> list[Campaign]:
    """Simulate campaigns whose topics are labels with enough texts: random texts define them, the others are scored.

    Translations of the texts that define a topic are left out.
    """
    rng = np.random.default_rng(seed)
    counts = Counter(name for row in rows for name in row.topics or ())
    names = sorted(name for name, count in counts.items() if count >= FEWEST_POSTS)
    present = np.array([[name in (row.topics or ()) for name in names] for row in rows])
    _, texts = np.unique([row.sentence or f"text {index}" for index, row in enumerate(rows)], return_inverse=True)
    found = []
    for count, _ in product(_EXAMPLES if names else (), range(_DRAWS)):
        chosen = present[:, rng.permutation(len(names))[:_MOST_TOPICS]]
        used: set[int] = set()
        examples = []
        for topic in chosen.T:
            drawn = [index for index in rng.permutation(np.flatnonzero(topic)) if texts[index] not in used]
            _, firsts = np.unique(texts[drawn], return_index=True)
            kept = [drawn[first] for first in sorted(firsts)[:count]]
            used.update(texts[kept])
            examples.append(vectors[kept])
        others = np.flatnonzero(~np.isin(texts, list(used)))
        nothing = [vectors[:0]] * len(examples)
        found.append(Campaign(fit_lines(examples, nothing).positions(vectors[others]), chosen[others]))
    return found


def calibrate(found: Sequence[Campaign]) -> CampaignCalibration:
    """Fit the curve from position to score: its slope by logistic regression, its midpoint where macro-F1 is best.

    A score of one half is then the best threshold for assigning a topic, although fewer than half of the posts with that
    score belong to it. As most posts belong to no topic, a purely probabilistic curve would hardly ever assign one.
    """
    positions = np.concatenate([campaign.positions.ravel() for campaign in found])
    present = np.concatenate([campaign.present.ravel() for campaign in found])
    slope = float(LogisticRegression(C=1e6).fit(positions[:, None], present).coef_[0, 0])
    middle = max(_LIMITS, key=lambda limit: fmean(float(campaign.f1(limit).mean()) for campaign in found))
    return CampaignCalibration(slope=round(slope, 4), intercept=round(-slope * middle, 4))


def _posts(rows: Sequence[TrainingRow]) -> npt.NDArray[np.int64]:
    return np.flatnonzero([row.source in POSTS for row in rows])


def _posts_mean(rows: Sequence[TrainingRow], vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors[_posts(rows)].astype(np.float64).mean(axis=0))


def _whitening(covariance: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], shrinkage: float) -> VectorMap:
    values, directions = np.linalg.eigh(covariance)
    scales = (values + shrinkage * values.mean()) ** -0.5
    return VectorMap(mean.astype(np.float32), ((directions * scales) @ directions.T).astype(np.float32))
