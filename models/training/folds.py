"""The rows that a head is fitted on after training, calibrated on, and scored on.

They are held out of every training. Where a set has no held-out part, a fifth of it is left out instead. One half of them is
to choose by (temperatures, thresholds), the other only to publish scores of.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.heads import HEADS, Head
from models.training.corpus import is_held_out
from models.training.data import TrainingRow
from models.training.domains import is_published
from models.training.targets import Targets

Places = npt.NDArray[np.int64]

FOLDS = 5
LEFT_OUT = 0
"""The fold that is never trained on."""


class Parts(NamedTuple):
    """Indices of the rows that a head is fitted on after training, that its calibration is chosen by, and that it is scored on."""

    fitted: Places
    chosen: Places
    published: Places


def split(head: Head, rows: Sequence[TrainingRow], seed: int) -> Parts:
    """Return the labelled rows of a head's parts. Rows whose sentiment is noisy are in none of the sentiment.

    Without sources, a head is fitted on all training rows; without sets to calibrate on, it is calibrated on all held-out rows.
    If both are of the same set, the calibration has one fold of it.
    """
    sources = head.fitted.sources if head.fitted else ()
    labelled = [
        row.label(head.name) is not None
        and row.source not in head.ignored
        and not (head.name == "sentiment" and row.is_noisy)
        for row in rows
    ]
    fitted, held = (
        np.flatnonzero(
            [
                usable and (row.source in names if names else is_held_out(row) == held)
                for usable, row in zip(labelled, rows, strict=True)
            ]
        )
        for names, held in ((sources, False), (head.calibrated_on, True))
    )
    if sources and sources == head.calibrated_on:
        left_out = np.random.default_rng(seed).permutation(len(fitted)) % FOLDS == LEFT_OUT
        fitted, held = fitted[~left_out], fitted[left_out]
    published = np.array([is_published(rows[index]) for index in held.tolist()], np.bool_)
    return Parts(fitted, held[~published], held[published])


def for_training(targets: Targets, rows: Sequence[TrainingRow], seed: int) -> Targets:
    """Return the targets without those that a head is calibrated or scored on."""
    kept = dict(targets)
    for head in HEADS.values():
        parts = split(head, rows, seed)
        known = targets[head.name].known.copy()
        known[parts.chosen] = known[parts.published] = False
        kept[head.name] = replace(targets[head.name], known=known)
    return kept
