"""Vectors for campaign topics: the frozen encoder's representation of the subject of a text, kept during fine-tuning.

Fine-tuning for sentiment would blur these vectors. The network therefore also learns to reproduce the mean vector of the
frozen encoder, mapped so that translations of a sentence coincide (whitening by the within-class covariance of parallel
sentences; Hatch et al., 2006, who used it for speakers). After training, the directions in which posts differ most are
scaled down, because they say little about campaign topics (whitening by the covariance of posts).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models.artefact import CampaignCalibration
from models.campaign import centre
from models.training.data import TrainingRow
from models.training.graph import GraphHead
from models.training.heads import best_threshold

Floats = npt.NDArray[np.float32]

POSTS = frozenset({"x_topic", "umsab-train", "semeval", "afrisenti-train", "crisis"})
"""Data sets of posts on which the vectors are centred; their labels are not used."""

_WITHIN_SHRINKAGE = 1.0
_TOTAL_SHRINKAGE = 3.0
_EXAMPLES = 6
_DRAWS = 5
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
class Trial:
    """A simulated campaign topic: cosines of the posts that are not its examples, and whether each belongs to it."""

    cosines: Floats
    present: npt.NDArray[np.bool_]

    @property
    def area(self) -> float:
        """Area under the ROC curve."""
        return float(roc_auc_score(self.present, self.cosines))


def trials(labels: Sequence[Iterable[str]], vectors: Floats, seed: int = 0) -> list[Trial]:
    """Simulate a campaign topic from each label with enough texts: a few random texts define it, the others are scored."""
    rng = np.random.default_rng(seed)
    sets = [frozenset(each) for each in labels]
    found = []
    for name in sorted(frozenset().union(*sets)):
        present = np.array([name in each for each in sets])
        if present.sum() < FEWEST_POSTS:
            continue
        for _ in range(_DRAWS):
            examples = rng.choice(np.flatnonzero(present), _EXAMPLES, replace=False)
            others = np.setdiff1d(np.arange(len(sets)), examples)
            cosines = vectors[others] @ centre(vectors[examples]).astype(np.float32)
            found.append(Trial(cosines, present[others]))
    return found


def calibrate(found: Sequence[Trial]) -> CampaignCalibration:
    """Fit the curve from cosine to score: its slope by logistic regression, its midpoint where F1 is best.

    A score of one half is then the best threshold for assigning the topic, although fewer than half of the posts with
    that score belong to it. As most posts belong to no topic, a purely probabilistic curve would hardly ever assign one.
    """
    cosines = np.concatenate([trial.cosines for trial in found])
    present = np.concatenate([trial.present for trial in found])
    slope = float(LogisticRegression(C=1e6).fit(cosines[:, None], present).coef_[0, 0])
    middle = best_threshold(cosines, present)
    return CampaignCalibration(slope=round(slope, 4), intercept=round(-slope * middle, 4))


def _posts(rows: Sequence[TrainingRow]) -> npt.NDArray[np.int64]:
    return np.flatnonzero([row.source in POSTS for row in rows])


def _posts_mean(rows: Sequence[TrainingRow], vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors[_posts(rows)].astype(np.float64).mean(axis=0))


def _whitening(covariance: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], shrinkage: float) -> VectorMap:
    values, directions = np.linalg.eigh(covariance)
    scales = (values + shrinkage * values.mean()) ** -0.5
    return VectorMap(mean.astype(np.float32), ((directions * scales) @ directions.T).astype(np.float32))
