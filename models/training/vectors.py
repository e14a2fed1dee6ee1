"""Vectors for campaign topics: a linear map of the pooled last layer that forgets the language of a text.

Translations of one sentence should have one vector, so the directions in which they differ are scaled down: whitening
by the within-class covariance of the parallel sentences of SIB-200 (Hatch et al., 2006, as used for speakers).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models.artefact import CampaignCalibration
from models.campaign import centre
from models.training.data import Row

Floats = npt.NDArray[np.float32]

_SHRINKAGE = 1.0
_EXAMPLES = 6
_DRAWS = 5


@dataclass(frozen=True, slots=True)
class VectorMap:
    """`(pooled - mean) @ matrix.T`, then scaled to length 1."""

    mean: Floats
    matrix: Floats

    def __call__(self, pooled: npt.NDArray[np.floating]) -> Floats:
        mapped = (pooled.astype(np.float32) - self.mean) @ self.matrix.T
        return np.asarray(mapped / np.linalg.norm(mapped, axis=1, keepdims=True))


def fit_map(rows: Sequence[Row], pooled: npt.NDArray[np.floating], shrinkage: float = _SHRINKAGE) -> VectorMap:
    """Fit on the parallel sentences, centred on posts (X-Topic, both without using a topic label)."""
    sentences: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.sentence is not None:
            sentences[row.sentence].append(index)
    groups = [pooled[members].astype(np.float64) for members in sentences.values()]
    deviations = np.concatenate([group - group.mean(axis=0) for group in groups])
    covariance = deviations.T @ deviations / len(deviations)
    values, directions = np.linalg.eigh(covariance)
    scales = (values + shrinkage * values.mean()) ** -0.5
    posts = np.flatnonzero([row.source in {"x_topic", "umsab-train"} for row in rows])
    mean = pooled[posts].astype(np.float64).mean(axis=0)
    return VectorMap(mean.astype(np.float32), ((directions * scales) @ directions.T).astype(np.float32))


def calibrate(rows: Sequence[Row], vectors: Floats) -> tuple[CampaignCalibration, float]:
    """Fit the curve from cosine to probability on topics made of a few posts each; return it with the mean AUC.

    Topics of X-Topic and SIB-200 play the campaign: `_EXAMPLES` random texts make a topic, all others are scored.
    """
    rng = np.random.default_rng(0)
    cosines, answers, areas = [], [], []
    for source in ("x_topic", "sib200"):
        members = np.flatnonzero([row.source == source for row in rows])
        topics = [rows[index].topics or () for index in members.tolist()]
        for name in sorted({name for answer in topics for name in answer}):
            present = np.array([name in answer for answer in topics])
            for _ in range(_DRAWS):
                examples = rng.choice(np.flatnonzero(present), _EXAMPLES, replace=False)
                others = np.setdiff1d(np.arange(len(members)), examples)
                cosine = vectors[members[others]] @ centre(vectors[members[examples]])
                cosines.append(cosine)
                answers.append(present[others])
                areas.append(roc_auc_score(present[others], cosine))
    curve = LogisticRegression(C=1e6).fit(np.concatenate(cosines)[:, None], np.concatenate(answers))
    slope, intercept = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    return CampaignCalibration(slope=round(slope, 4), intercept=round(intercept, 4)), float(np.mean(areas))
