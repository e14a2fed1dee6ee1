"""What each row should be answered with, as arrays in the order of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.enrichment import SENTIMENTS
from models.training.data import NOISY, TrainingRow
from models.training.teacher import Said

SILENT = -1
"""The label of a row whose set says nothing of the task."""

_OTHER_LANGUAGES = "semeval"
"""Said to be English, with other languages among it: not to be learnt from."""

_SMOOTHING = 0.05
_OWN_SHARE = 0.5
"""How much a row's own label counts beside what the earlier model says of it."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Labels (rows), what is to be learnt of sentiment (rows x 3, probabilities), topics (rows x topics, 0 or 1) and unit
    vectors (rows x width); the masks tell who has them."""

    sentiment: npt.NDArray[np.int64]
    mood: npt.NDArray[np.float32]
    has_mood: npt.NDArray[np.bool_]
    language: npt.NDArray[np.int64]
    topics: npt.NDArray[np.float32]
    has_topics: npt.NDArray[np.bool_]
    vector: npt.NDArray[np.float16]
    has_vector: npt.NDArray[np.bool_]

    def with_topics_of(self, rows: npt.NDArray[np.bool_]) -> "Targets":
        """Keep topics to the rows that are true."""
        return replace(self, has_topics=self.has_topics & rows)


def language_names(rows: Sequence[TrainingRow]) -> tuple[str, ...]:
    """Return the languages of the rows, sorted: the columns of the language head."""
    return tuple(sorted({row.language for row in rows if row.language}))


def topic_names(rows: Sequence[TrainingRow]) -> tuple[str, ...]:
    """Return the topics of X-Topic, sorted: the columns of the topic head."""
    return tuple(sorted({name for row in rows if row.source == "x_topic" for name in row.topics or ()}))


def encode(rows: Sequence[TrainingRow], vectors: Said, moods: Said) -> Targets:
    """Turn what the rows know into arrays, with what the frozen encoder and an earlier model said of them."""
    languages = {name: place for place, name in enumerate(language_names(rows))}
    topics = {name: place for place, name in enumerate(topic_names(rows))}
    present = np.zeros((len(rows), len(topics)), np.float32)
    has_topics = np.array([row.source in {"x_topic", "undetermined"} and row.topics is not None for row in rows])
    for place in np.flatnonzero(has_topics).tolist():
        for name in rows[place].topics or ():
            present[place, topics[name]] = 1
    sentiment = np.array([SILENT if row.sentiment is None else row.sentiment for row in rows])
    mood, has_mood = _moods(rows, sentiment, moods)
    return Targets(
        sentiment=sentiment,
        mood=mood,
        has_mood=has_mood,
        language=np.array(
            [SILENT if not row.language or row.source == _OTHER_LANGUAGES else languages[row.language] for row in rows]
        ),
        topics=present,
        has_topics=has_topics,
        vector=vectors.values,
        has_vector=vectors.known,
    )


def _moods(
    rows: Sequence[TrainingRow], labels: npt.NDArray[np.int64], said: Said
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Mix labels with what the earlier model said, which tells doubtful posts from clear ones (Furlanello et al., 2018).

    Where no neutral label can be trusted, a label tells only the side, and the earlier model how neutral the post is.
    """
    labelled = labels != SILENT
    own = np.eye(len(SENTIMENTS), dtype=np.float32)[labels]
    theirs = said.values.astype(np.float32)
    neutral = theirs * (np.arange(len(SENTIMENTS)) == SENTIMENTS.index("neutral"))
    one_sided = np.array([row.source == "umsab-train" and row.language == NOISY for row in rows])
    cases = (
        (labelled & said.known & one_sided, own * (1 - neutral.sum(1, keepdims=True)) + neutral),
        (labelled & said.known, _OWN_SHARE * own + (1 - _OWN_SHARE) * theirs),
        (labelled, (1 - _SMOOTHING) * own + _SMOOTHING / len(SENTIMENTS)),
    )
    mood = np.select([when[:, None] for when, _ in cases], [then for _, then in cases], theirs)
    return mood.astype(np.float32), labelled | said.known
