"""Training targets of each row, as arrays in row order."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.enrichment import SENTIMENTS
from models.heads import HEADS, Head
from models.training.data import TrainingRow
from models.training.teacher import Target

SILENT = -1
"""The label of a row without a label for the task."""

_SMOOTHING = 0.05
_OWN_SHARE = 0.5
"""Weight of a row's own label; the rest is the prediction of the earlier model."""


Targets = Mapping[str, Target]
"""Training targets of all rows (rows x columns), by head."""


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
    target = Target(np.zeros((len(rows), len(names)), np.float32), np.zeros(len(rows), np.bool_))
    for index, row in enumerate(rows):
        label = row.label(head.name)
        if label is None or row.source in head.ignored:
            continue
        target.known[index] = True
        if head.kind == "several":
            target.values[index, [columns[name] for name in label]] = 1
        elif isinstance(label, tuple):
            target.values[index] = label
        else:
            target.values[index, columns[label]] = 1
    return target


def labels_of(target: Target) -> npt.NDArray[np.int64]:
    """Return the number of the label with the largest share; `SILENT` for rows without a label."""
    return np.where(target.known, target.values.argmax(axis=1), SILENT)


def all_targets(rows: Sequence[TrainingRow], vectors: Target, pseudo_labels: Target) -> Targets:
    """Return the targets of all heads.

    Args:
        rows: The rows, with their labels.
        vectors: The vectors of the frozen encoder.
        pseudo_labels: The sentiments of an earlier model.
    """
    own = {head.name: encode(head, rows) for head in HEADS.values() if head.kind != "vector"}
    return {**own, "vector": vectors, "sentiment": _soft_sentiment(rows, own["sentiment"], pseudo_labels)}


def _soft_sentiment(rows: Sequence[TrainingRow], own: Target, earlier: Target) -> Target:
    """Mix labels with predictions of an earlier model, which separate clear from doubtful posts (Furlanello et al., 2018).

    Where neutral labels are unreliable, the label only decides between negative and positive, and the earlier model
    decides how neutral the post is.
    """
    labelled = own.known
    predicted = earlier.values.astype(np.float32)
    neutral = predicted * (np.arange(len(SENTIMENTS)) == SENTIMENTS.index("neutral"))
    one_sided = np.array([row.is_noisy for row in rows])
    cases = (
        (labelled & earlier.known & one_sided, own.values * (1 - neutral.sum(1, keepdims=True)) + neutral),
        (labelled & earlier.known, _OWN_SHARE * own.values + (1 - _OWN_SHARE) * predicted),
        (labelled, (1 - _SMOOTHING) * own.values + _SMOOTHING / len(SENTIMENTS)),
    )
    mixed = np.select([when[:, None] for when, _ in cases], [then for _, then in cases], predicted)
    return Target(mixed.astype(np.float32), labelled | earlier.known)
