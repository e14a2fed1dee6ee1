"""Linear heads on frozen features, with their calibration; every figure comes from rows that the fit has not seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Head:
    """`features @ weight.T + bias` are logits; weight is classes x width."""

    weight: Floats
    bias: Floats

    def __call__(self, features: npt.NDArray[np.floating]) -> Floats:
        return np.asarray(features.astype(np.float32) @ self.weight.T + self.bias)

    def cooled(self, temperature: float) -> "Head":
        """Divide the logits by `temperature` (Guo et al., 2017)."""
        return Head(self.weight / np.float32(temperature), self.bias / np.float32(temperature))


def fit(features: npt.NDArray[np.floating], labels: Labels, weights: Floats, penalty: float) -> Head:
    """Fit multinomial logistic regression on standardised features and fold the standardisation into the head.

    The loss is the weighted mean of cross-entropy plus `penalty` times the sum of squared weights.
    """
    values = features.astype(np.float32)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + np.float32(1e-6)
    values -= mean
    values /= deviation
    weights = weights / weights.sum()
    # scikit-learn's objective is C * sum(weight * loss) + sum(squares) / 2.
    model = LogisticRegression(C=1 / (2 * penalty), max_iter=60, tol=1e-4)
    with np.errstate(all="ignore"):
        model.fit(values, labels, sample_weight=weights)
    weight, bias = model.coef_, model.intercept_
    return _folded(weight - weight.mean(axis=0), bias - bias.mean(), mean, deviation)


def fit_each(features: npt.NDArray[np.floating], present: npt.NDArray[np.bool_], penalty: float) -> Head:
    """Fit one logistic regression a column of `present` (rows x labels), all at once; the loss is as in `fit`."""
    values = features.astype(np.float32)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + np.float32(1e-6)
    values = (values - mean) / deviation
    count, width, labels = len(values), values.shape[1], present.shape[1]

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weight, bias = parameters[labels:].reshape(labels, width), parameters[:labels]
        logits = values @ weight.T.astype(np.float32) + bias
        entropy = np.logaddexp(0, logits) - logits * present
        slope = (1 / (1 + np.exp(-logits)) - present) / count
        gradient = slope.T.astype(np.float32) @ values + 2 * penalty * weight
        value = float(entropy.sum() / count + penalty * np.square(weight).sum())
        return value, np.concatenate([slope.sum(axis=0), gradient.ravel()])

    start = np.zeros(labels * (width + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return _folded(found[labels:].reshape(labels, width), found[:labels], mean, deviation)


def _folded(weight: Floats, bias: Floats, mean: Floats, deviation: Floats) -> Head:
    scaled = (weight / deviation).astype(np.float32)
    return Head(scaled, (bias - scaled @ mean).astype(np.float32))


def out_of_fold(
    features: npt.NDArray[np.floating], labels: Labels, weights: Floats, penalty: float, scored: npt.NDArray[np.bool_]
) -> Floats:
    """Return logits of the rows `scored`, each from a head fitted without its fold; the other rows are in every fit."""
    rows = np.flatnonzero(scored)
    always = np.flatnonzero(~scored)
    logits: Floats | None = None
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for kept, left_out in folds.split(rows, labels[rows]):
        train = np.concatenate([rows[kept], always])
        head = fit(features[train], labels[train], weights[train], penalty)
        part = head(features[rows[left_out]])
        if logits is None:
            logits = np.empty((len(rows), part.shape[1]), np.float32)
        logits[left_out] = part
    assert logits is not None  # noqa: S101 - there is at least one fold
    return logits


def temperature(logits: Floats, labels: Labels) -> float:
    """Return the temperature with the least cross-entropy, by search over 0.3 to 5."""
    candidates = np.geomspace(0.3, 5, 120)
    losses = [cross_entropy(logits / np.float32(each), labels) for each in candidates]
    return float(candidates[int(np.argmin(losses))])


def cross_entropy(logits: Floats, labels: Labels) -> float:
    """Mean negative log-probability of the labels."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - picked))


def best_threshold(scores: Floats, present: npt.NDArray[np.bool_]) -> float:
    """Return the threshold with the best F1; ties go to the higher one."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(present[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + present.sum())
    return float(scores[order[int(np.argmax(f1))]])
