"""Training targets of each row, as arrays in row order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.heads import HEADS, Head
from models.training.data import TrainingRow
from models.training.mixture import group_weights
from models.training.sets import SETS

SILENT = -1
"""The label of a row without a label for the task."""

_LEAST_SHARE = 0.02
"""Smallest share of a label in a prior."""

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the data sets or a teacher say about rows.

    Attributes:
        values: The share of each label, or a vector (rows x columns).
        known: Rows that have a value.
        decided: Labels that the data set of a row has (rows x columns); None if all.
        trust: Weight of the value in the target of each row; the rest is what the network itself predicts. None for 1.
        prior: Logarithm of the share of each label among the rows of the same set and language, as they are drawn (rows x
            columns). It is added to the logits in training, so that the logits themselves are those of equal shares. None
            for nothing.
    """

    values: Floats
    known: Flags
    decided: Flags | None = None
    trust: Floats | None = None
    prior: Floats | None = None


Targets = Mapping[str, Target]
"""Training targets of all rows (rows x columns), by head."""


def nothing(rows: Sequence[TrainingRow], width: int = 0) -> Target:
    """Return a target without a value for any row."""
    return Target(values=np.zeros((len(rows), width), np.float16), known=np.zeros(len(rows), np.bool_))


def label_names(head: Head, rows: Sequence[TrainingRow]) -> tuple[str, ...]:
    """Return the labels of a head that has labels, in the order of its columns."""
    if head.labels:
        return head.labels
    labels = {row.label(head.name) or () for row in rows if row.source not in head.ignored}
    return tuple(sorted({name for each in labels for name in ((each,) if isinstance(each, str) else each)}))


def encode(head: Head, rows: Sequence[TrainingRow]) -> Target:
    """Return what the data sets say: 0 or 1 for each label, or its share."""
    names = label_names(head, rows)
    columns: dict[str | int, int] = {name: index for index, name in enumerate(names)}
    columns |= {index: index for index in range(len(names))}
    values, known = np.zeros((len(rows), len(names)), np.float32), np.zeros(len(rows), np.bool_)
    decided = np.ones((len(rows), len(names)), np.bool_) if any(row.unknown for row in rows) else None
    for index, row in enumerate(rows):
        label = row.label(head.name)
        if label is None or row.source in head.ignored:
            continue
        known[index] = True
        if head.kind == "several":
            values[index, [columns[name] for name in label]] = 1
        elif isinstance(label, tuple):
            values[index] = label
        else:
            values[index, columns[label]] = 1
        if decided is not None and row.unknown:
            decided[index, [columns[name] for name in row.unknown if name in columns]] = False
    return Target(values=values, known=known, decided=decided)


def labels_of(target: Target) -> npt.NDArray[np.int64]:
    """Return the number of the label with the largest share; `SILENT` for rows without a label."""
    return np.where(target.known, target.values.argmax(axis=1), SILENT)


def all_targets(rows: Sequence[TrainingRow], vectors: Target) -> Targets:
    """Return the targets of all heads; those of the vector head are given."""
    trust = np.array([SETS[row.source].trust if row.source in SETS else 1 for row in rows], np.float32)
    own = {}
    for head in HEADS.values():
        target = vectors if head.kind == "vector" else encode(head, rows)
        if head.kind == "one":
            target = replace(target, trust=trust, prior=_prior(rows, target) if head.adjusted else None)
        own[head.name] = target
    return own


def _prior(rows: Sequence[TrainingRow], target: Target) -> Floats:
    """Return the logarithms of the shares of the labels in each row's set and language, as they are drawn.

    Where not all labels occur that the set has, they are 0: a prior would explain everything, and nothing would be learned.
    """
    weights = group_weights(rows)[:, None] * target.values
    places: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for index in np.flatnonzero(target.known).tolist():
        places[rows[index].source, rows[index].language].append(index)
    prior = np.zeros(target.values.shape, np.float32)
    for members in places.values():
        shares = weights[members].sum(axis=0) / weights[members].sum()
        decided = np.ones(len(shares), np.bool_) if target.decided is None else target.decided[members].any(axis=0)
        if (shares[decided] > 0).all():
            prior[members] = np.log(np.maximum(shares, _LEAST_SHARE))
    return prior
