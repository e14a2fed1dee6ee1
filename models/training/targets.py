"""What each row should be answered with, as arrays in the order of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.training.data import Row

SILENT = -1
"""The label of a row whose set says nothing of the task."""

_OTHER_LANGUAGES = "semeval"
"""Said to be English, with other languages among it: not to be learnt from."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Labels (rows), topics (rows x topics, 0 or 1) and unit vectors (rows x width); the masks tell who has them."""

    sentiment: npt.NDArray[np.int64]
    language: npt.NDArray[np.int64]
    topics: npt.NDArray[np.float32]
    has_topics: npt.NDArray[np.bool_]
    vector: npt.NDArray[np.float16]
    has_vector: npt.NDArray[np.bool_]

    def with_topics_of(self, rows: npt.NDArray[np.bool_]) -> "Targets":
        """Keep topics to the rows that are true."""
        return replace(self, has_topics=self.has_topics & rows)


def language_names(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the languages of the rows, sorted: the columns of the language head."""
    return tuple(sorted({row.language for row in rows if row.language}))


def topic_names(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the topics of X-Topic, sorted: the columns of the topic head."""
    return tuple(sorted({name for row in rows if row.source == "x_topic" for name in row.topics or ()}))


def encode(rows: Sequence[Row], vectors: npt.NDArray[np.float16], has_vector: npt.NDArray[np.bool_]) -> Targets:
    """Turn what the rows know into arrays; `vectors` are those of the teacher (rows x width)."""
    languages = {name: place for place, name in enumerate(language_names(rows))}
    topics = {name: place for place, name in enumerate(topic_names(rows))}
    present = np.zeros((len(rows), len(topics)), np.float32)
    has_topics = np.array([row.source in {"x_topic", "undetermined"} and row.topics is not None for row in rows])
    for place in np.flatnonzero(has_topics).tolist():
        for name in rows[place].topics or ():
            present[place, topics[name]] = 1
    return Targets(
        sentiment=np.array([SILENT if row.sentiment is None else row.sentiment for row in rows]),
        language=np.array(
            [SILENT if not row.language or row.source == _OTHER_LANGUAGES else languages[row.language] for row in rows]
        ),
        topics=present,
        has_topics=has_topics,
        vector=vectors,
        has_vector=has_vector,
    )
