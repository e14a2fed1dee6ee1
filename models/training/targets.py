"""Training targets of each row, as arrays in row order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.enrichment import SENTIMENTS
from models.training.data import NOISY, TrainingRow
from models.training.teacher import Said

SILENT = -1
"""The label of a row without a label for the task."""

_OTHER_LANGUAGES = "semeval"
"""Data set that is labelled English but contains other languages; its language labels are not used."""

_SMOOTHING = 0.05
_OWN_SHARE = 0.5
"""Weight of a row's own label; the rest is the prediction of the earlier model."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Training targets of all rows.

    Attributes:
        sentiment: Sentiment labels (rows).
        mood: Soft targets of the sentiment, as probabilities (rows x 3).
        has_mood: Mask of rows with such targets.
        language: Language labels (rows).
        topics: Topics, 0 or 1 (rows x topics).
        has_topics: Mask of rows with topic labels.
        vector: Unit vectors (rows x width).
        has_vector: Mask of rows with vectors.
    """

    sentiment: npt.NDArray[np.int64]
    mood: npt.NDArray[np.float32]
    has_mood: npt.NDArray[np.bool_]
    language: npt.NDArray[np.int64]
    topics: npt.NDArray[np.float32]
    has_topics: npt.NDArray[np.bool_]
    vector: npt.NDArray[np.float16]
    has_vector: npt.NDArray[np.bool_]

    def with_topics_of(self, rows: npt.NDArray[np.bool_]) -> "Targets":
        """Return targets that have topics only for rows where the mask `rows` is true."""
        return replace(self, has_topics=self.has_topics & rows)


def language_names(rows: Sequence[TrainingRow]) -> tuple[str, ...]:
    """Return the languages of the rows, sorted: the columns of the language head."""
    return tuple(sorted({row.language for row in rows if row.language}))


def topic_names(rows: Sequence[TrainingRow]) -> tuple[str, ...]:
    """Return the topics of X-Topic, sorted: the columns of the topic head."""
    return tuple(sorted({name for row in rows if row.source == "x_topic" for name in row.topics or ()}))


def encode(rows: Sequence[TrainingRow], vectors: Said, moods: Said) -> Targets:
    """Return the targets of rows from their labels, the vectors of the frozen encoder and an earlier model's sentiment."""
    languages = {name: index for index, name in enumerate(language_names(rows))}
    topics = {name: index for index, name in enumerate(topic_names(rows))}
    present = np.zeros((len(rows), len(topics)), np.float32)
    has_topics = np.array([row.source in {"x_topic", "undetermined"} and row.topics is not None for row in rows])
    for index in np.flatnonzero(has_topics).tolist():
        for name in rows[index].topics or ():
            present[index, topics[name]] = 1
    sentiment = np.array([SILENT if row.sentiment is None else row.sentiment for row in rows])
    soft_sentiment, has_sentiment = _soft_sentiment(rows, sentiment, moods)
    return Targets(
        sentiment=sentiment,
        mood=soft_sentiment,
        has_mood=has_sentiment,
        language=np.array(
            [SILENT if not row.language or row.source == _OTHER_LANGUAGES else languages[row.language] for row in rows]
        ),
        topics=present,
        has_topics=has_topics,
        vector=vectors.values,
        has_vector=vectors.known,
    )


def _soft_sentiment(
    rows: Sequence[TrainingRow], labels: npt.NDArray[np.int64], earlier: Said
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Mix labels with predictions of an earlier model, which separate clear from doubtful posts (Furlanello et al., 2018).

    Where neutral labels are unreliable, the label only decides between negative and positive, and the earlier model
    decides how neutral the post is.
    """
    labelled = labels != SILENT
    own = np.eye(len(SENTIMENTS), dtype=np.float32)[labels]
    predicted = earlier.values.astype(np.float32)
    neutral = predicted * (np.arange(len(SENTIMENTS)) == SENTIMENTS.index("neutral"))
    one_sided = np.array([row.source == "umsab-train" and row.language == NOISY for row in rows])
    cases = (
        (labelled & earlier.known & one_sided, own * (1 - neutral.sum(1, keepdims=True)) + neutral),
        (labelled & earlier.known, _OWN_SHARE * own + (1 - _OWN_SHARE) * predicted),
        (labelled, (1 - _SMOOTHING) * own + _SMOOTHING / len(SENTIMENTS)),
    )
    mixed = np.select([when[:, None] for when, _ in cases], [then for _, then in cases], predicted)
    return mixed.astype(np.float32), labelled | earlier.known
