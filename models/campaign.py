"""Campaign topics: named in a campaign file, compared with posts by their vectors, without training."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from models.artefact import CampaignCalibration
from models.enrichment import CampaignScore
from models.errors import TopicsFileError


class CampaignTopic(Struct, frozen=True, kw_only=True):
    """A topic that a campaign watches: a name, what it is about, and a few posts like it in any language."""

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What the topic's vector is made of; the name alone when nothing else is said."""
        return tuple(text for text in (self.description, *self.examples) if text.strip()) or (self.name,)


class _TopicsFile(Struct):
    topics: tuple[CampaignTopic, ...] = ()


def read_topics(path: Path) -> tuple[CampaignTopic, ...]:
    """Read the `[[topics]]` tables of a campaign file (TOML); other keys are left alone.

    Raises:
        TopicsFileError: the file cannot be read, is not TOML, or a table has a wrong key.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        topics = msgspec.convert(document, _TopicsFile).topics
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TopicsFileError(f"{path}: {error}") from error
    names = [topic.name for topic in topics]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise TopicsFileError(f"{path}: topics named twice: {', '.join(sorted(repeated))}")
    return topics


class CampaignMatcher:
    """Scores posts against the topics of a campaign: cosine with a topic's mean vector, through a logistic curve.

    "None of them" is an answer: the curve was fitted on posts most of which belong to no given topic, and a post has its
    nearest topic from a score of one half on.
    """

    def __init__(
        self,
        topics: Sequence[CampaignTopic],
        vectors: Sequence[npt.NDArray[np.float32]],
        calibration: CampaignCalibration,
    ) -> None:
        """`vectors` holds, for each topic, the unit vectors of its texts (texts x width)."""
        self._names = [topic.name for topic in topics]
        self._centres = [centre(each) for each in vectors]
        self._calibration = calibration

    def match(self, vectors: npt.NDArray[np.float32]) -> list[CampaignScore]:
        """Score unit vectors (posts x width); without topics every answer is null with score 0."""
        if not self._names:
            return [CampaignScore(name=None, score=0.0)] * len(vectors)
        likeness = cosines(vectors, self._centres)
        nearest = likeness.argmax(axis=1)
        scores = probability(likeness[np.arange(len(vectors)), nearest], self._calibration)
        return [
            CampaignScore(name=self._names[index] if score >= 0.5 else None, score=round(float(score), 4))
            for index, score in zip(nearest, scores, strict=True)
        ]


def centre(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the direction of the mean of unit vectors."""
    mean = vectors.astype(np.float64).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def cosines(vectors: npt.NDArray[np.float32], centres: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return how alike unit vectors (posts x width) and the centres of topics are (posts x topics)."""
    return np.asarray(vectors.astype(np.float64) @ np.stack(centres, axis=1))


def probability(cosine: npt.NDArray[np.float64], calibration: CampaignCalibration) -> npt.NDArray[np.float64]:
    """Map cosines to probabilities."""
    return np.asarray(1 / (1 + np.exp(-(calibration.slope * cosine + calibration.intercept))))
