"""Five-fold check of the topics: each fifth of X-Topic is answered by a network that has not seen its labels.

Every fold starts from the phase in which no topic is learnt, so that the encoder has not seen them either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from models.training.data import Row
from models.training.fit import Phase, Trainer
from models.training.heads import best_threshold
from models.training.network import Network
from models.training.prediction import Tokens, predict
from models.training.targets import Targets

FOLDS = 5


def places_and_folds(rows: Sequence[Row], seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the places of the X-Topic rows and the fold of each."""
    places = np.flatnonzero([row.source == "x_topic" for row in rows])
    return places, np.random.default_rng(seed).permutation(len(places)) % FOLDS


def out_of_fold(
    start: Callable[[], Network],
    rows: Sequence[Row],
    tokens: Tokens,
    targets: Targets,
    phase: Phase,
    folder: Path,
    *,
    rate: float,
    seed: int,
) -> npt.NDArray[np.float32]:
    """Train a network for each fold and return the logits of all X-Topic rows, each from the one that left it out.

    A fold that is done is kept in `folder` and not computed again.
    """
    places, fold = places_and_folds(rows, seed)
    logits = np.zeros((len(places), targets.topics.shape[1]), np.float32)
    for number in range(FOLDS):
        path = folder / f"fold{number}.npy"
        left_out = places[fold == number]
        if not path.exists():
            known = np.ones(len(rows), np.bool_)
            known[left_out] = False
            network = start()
            part = folder / f"fold{number}"
            trainer = Trainer(network, rows, tokens, targets.with_topics_of(known), [phase], part, rate=rate, seed=seed)
            trainer.run(phase.texts)
            answers = predict(network, tokens, left_out)
            np.save(path, answers.exits[max(answers.exits)].topics.numpy())
        logits[fold == number] = np.load(path)
    return logits


@dataclass(frozen=True, slots=True)
class TopicScores:
    """F1 of the out-of-fold answers (0 to 1), and the threshold of each topic, as logits."""

    macro_f1: float
    micro_f1: float
    thresholds: npt.NDArray[np.float32]


def score(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64]) -> TopicScores:
    """Score with thresholds that have not seen the fold they are used on; return those of all rows."""
    predicted = np.zeros_like(present)
    for number in range(FOLDS):
        kept, left_out = fold != number, fold == number
        predicted[left_out] = logits[left_out] >= _thresholds(logits[kept], present[kept])
    return TopicScores(
        macro_f1=float(f1_score(present, predicted, average="macro", zero_division=0)),
        micro_f1=float(f1_score(present, predicted, average="micro")),
        thresholds=_thresholds(logits, present),
    )


def _thresholds(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.array([best_threshold(logits[:, each], present[:, each]) for each in range(present.shape[1])], np.float32)
