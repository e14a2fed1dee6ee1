"""Campaign topics: defined in a campaign file and matched to posts by vector similarity, without training."""

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
    """A topic that a campaign watches: a name, a description, and a few example posts in any language."""

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that define the topic's vector; just the name if there is no description or example."""
        return tuple(text for text in (self.description, *self.examples) if text.strip()) or (self.name,)


class _TopicsFile(Struct):
    topics: tuple[CampaignTopic, ...] = ()


def read_topics(path: Path) -> tuple[CampaignTopic, ...]:
    """Read the `[[topics]]` tables of a campaign file (TOML); other keys are ignored.

    Raises:
        TopicsFileError: If the file cannot be read, is not valid TOML, has an invalid table or repeats a topic name.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        topics = msgspec.convert(document, _TopicsFile).topics
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TopicsFileError(f"{path}: {error}") from error
    names = [topic.name for topic in topics]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise TopicsFileError(f"{path}: topic names used twice: {', '.join(sorted(repeated))}")
    return topics


class CampaignMatcher:
    """Scores posts against campaign topics: the cosine with a topic's mean vector, mapped by a logistic curve.

    A post may match no topic: the curve was fitted on posts most of which belong to none of the topics, and a post is
    assigned its nearest topic only if the score is at least one half.
    """

    def __init__(
        self,
        topics: Sequence[CampaignTopic],
        vectors: Sequence[npt.NDArray[np.float32]],
        calibration: CampaignCalibration,
    ) -> None:
        """Compute the centre of each topic.

        Args:
            topics: The topics to match.
            vectors: For each topic, the unit vectors of its texts (texts x width).
            calibration: The curve from cosine to probability.
        """
        self._names = [topic.name for topic in topics]
        self._centres = [centre(each) for each in vectors]
        self._calibration = calibration

    def match(self, vectors: npt.NDArray[np.float32]) -> list[CampaignScore]:
        """Score unit vectors (posts x width); without topics every answer is None with score 0."""
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
    """Return the mean of unit vectors, scaled to length 1."""
    mean = vectors.astype(np.float64).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def cosines(vectors: npt.NDArray[np.float32], centres: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return the cosine similarity (posts x topics) of unit vectors (posts x width) and topic centres."""
    return np.asarray(vectors.astype(np.float64) @ np.stack(centres, axis=1))


def probability(cosine: npt.NDArray[np.float64], calibration: CampaignCalibration) -> npt.NDArray[np.float64]:
    """Map cosines to probabilities with the logistic curve."""
    return np.asarray(1 / (1 + np.exp(-(calibration.slope * cosine + calibration.intercept))))
