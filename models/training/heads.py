"""Fits linear heads, and calibrates them on rows that the fit has not seen."""

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from models.training.graph import GraphHead

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_ITERATIONS = 60


def logits(head: GraphHead, features: npt.NDArray[np.floating]) -> Floats:
    """Return the logits of a head for features (rows x width)."""
    return np.asarray(features.astype(np.float32) @ head.weight.T + head.bias)


def cooled(head: GraphHead, temperature: float) -> GraphHead:
    """Return a head whose logits are divided by `temperature` (Guo et al., 2017)."""
    return GraphHead(head.weight / np.float32(temperature), head.bias / np.float32(temperature))


def fit(
    features: npt.NDArray[np.floating], labels: Labels, weights: Floats, penalty: float, *, count: int
) -> GraphHead:
    """Fit a multinomial logistic regression on standardised features and fold the standardisation into the head.

    The loss is the weighted mean cross-entropy plus `penalty` times the sum of squared weights. The head has `count`
    labels, even if some of them never occur.
    """
    values = features.astype(np.float32)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + np.float32(1e-6)
    values -= mean
    values /= deviation
    inputs, wanted = torch.from_numpy(values), torch.from_numpy(labels)
    shares = torch.from_numpy(weights / weights.sum())
    slope = torch.zeros(count, values.shape[1], requires_grad=True)
    offset = torch.zeros(count, requires_grad=True)
    # stopping early is part of the regularisation
    optimiser = torch.optim.LBFGS([slope, offset], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = functional.cross_entropy(inputs @ slope.T + offset, wanted, reduction="none")
        total = (losses * shares).sum() + penalty * slope.square().sum()
        total.backward()
        return total

    optimiser.step(closure)
    weight = (slope.detach().numpy() / deviation).astype(np.float32)
    return GraphHead(weight, (offset.detach().numpy() - weight @ mean).astype(np.float32))


def fit_each(features: npt.NDArray[np.floating], present: npt.NDArray[np.bool_], strength: float) -> GraphHead:
    """Fit one logistic regression per label (column of `present`) on standardised features.

    A label that all rows or none of them have gets the log-odds of its share, with half a row added to each side.

    `strength` is the inverse of the penalty, like `C` in scikit-learn.
    """
    scaler = StandardScaler().fit(features)
    values = scaler.transform(features)
    weight = np.zeros((present.shape[1], features.shape[1]))
    bias = np.log((present.sum(axis=0) + 0.5) / ((~present).sum(axis=0) + 0.5))
    for label in np.flatnonzero(present.any(axis=0) & ~present.all(axis=0)):
        fitted = LogisticRegression(C=strength, max_iter=1_000).fit(values, present[:, label])
        weight[label] = fitted.coef_[0] / scaler.scale_
        bias[label] = fitted.intercept_[0] - weight[label] @ scaler.mean_
    return GraphHead(weight.astype(np.float32), bias.astype(np.float32))


def mean(first: GraphHead, second: GraphHead, share: float) -> GraphHead:
    """Return a head on the features of both, which are the same; its logits are their mean, with weight `share` on the second."""
    own, other = np.float32(1 - share), np.float32(share)
    return GraphHead(first.weight * own + second.weight * other, first.bias * own + second.bias * other)


def side_by_side(first: GraphHead, second: GraphHead, share: float) -> GraphHead:
    """Return a head on the features of both, one after the other; its logits are their mean, weighted as in `mean`."""
    own, other = np.float32(1 - share), np.float32(share)
    weight = np.concatenate([first.weight * own, second.weight * other], axis=1)
    return GraphHead(weight, first.bias * own + second.bias * other)


def regress(features: npt.NDArray[np.floating], targets: npt.NDArray[np.floating], penalty: float) -> GraphHead:
    """Fit a ridge regression on standardised features; `penalty` is relative to the number of rows."""
    values = features.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1e-6
    values = (values - mean) / deviation
    centre = targets.mean(axis=0, dtype=np.float64)
    gram = values.T @ values + penalty * len(values) * np.eye(values.shape[1])
    weight = (np.linalg.solve(gram, values.T @ (targets - centre)) / deviation[:, None]).T
    return GraphHead(weight.astype(np.float32), (centre - weight @ mean).astype(np.float32))


def least_likely(probabilities: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], most_lost: float) -> float:
    """Return the highest threshold on probabilities that withholds few correct answers.

    Thresholds are tried in steps of 0.05 up to 0.5; the correct answers withheld are at most a share `most_lost` of all
    rows.
    """
    limits = np.arange(0.05, 0.51, 0.05)
    fits = [limit for limit in limits if np.mean(right & (probabilities < limit)) <= most_lost]
    return round(float(max(fits, default=0.0)), 2)


def temperature(logits: Floats, labels: Labels, weights: Floats | None = None) -> float:
    """Return the temperature with the lowest cross-entropy, from a search between 0.3 and 5; rows weigh the same by default."""
    candidates = np.geomspace(0.3, 5, 120)
    losses = [cross_entropy(logits / np.float32(each), labels, weights) for each in candidates]
    return float(candidates[int(np.argmin(losses))])


def cross_entropy(logits: Floats, labels: Labels, weights: Floats | None = None) -> float:
    """Return the weighted mean of the negative log-probabilities of the labels."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels]
    return float(np.average(np.log(np.exp(shifted).sum(axis=1)) - picked, weights=weights))


def matching_threshold(scores: Floats, present: npt.NDArray[np.bool_]) -> float:
    """Return the threshold that as many rows reach as have the label, but at least one.

    The share of posts with the label is then correct on average. The F1 is as good as with the best threshold on these
    rows, and it generalises to other rows.
    """
    return float(np.sort(scores)[-max(1, int(present.sum()))])


def best_threshold(scores: Floats, present: npt.NDArray[np.bool_]) -> float:
    """Return the threshold with the best F1, and the highest of them in a tie."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(present[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + present.sum())
    return float(scores[order[int(np.argmax(f1))]])
