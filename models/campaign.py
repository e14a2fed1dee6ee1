"""Campaign topics: defined in a campaign file and matched to posts by vector similarity, without training."""

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from models.artefact import CampaignCalibration
from models.enrichment import CAMPAIGN_THRESHOLD, CampaignScore
from models.errors import TopicsFileError

Vectors = npt.NDArray[np.float32]

_REPULSION = 0.5
"""How far a topic's direction points away from what is off the topic: 0 not at all, 1 as in discriminant analysis."""

_NEGATIVE_SHARE = 0.4
"""Weight of the negative examples beside the other topics."""

_USUAL_MARGIN = 0.1
"""How much more similar the texts of a topic are to each other than to those of other topics, on average over topics."""

_PRIOR_TEXTS = 3
"""The usual margin counts as much as this number of further texts."""

_LEAST_MARGIN = 0.02

_AT = re.compile(r"(?P<reason>.*) - at `\$\.(?P<key>.*)`")


class CampaignTopic(Struct, frozen=True, kw_only=True):
    """A topic that a campaign watches.

    Attributes:
        name: Name of the topic.
        description: What it is about, in any language.
        examples: A few posts that belong to it, in any language.
        negative_examples: Posts that resemble it but do not belong to it.
        threshold: Score from which a post may be assigned the topic.
    """

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()
    negative_examples: tuple[str, ...] = ()
    threshold: Annotated[float, Meta(gt=0, lt=1)] = CAMPAIGN_THRESHOLD

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
        reason = _AT.sub(r"\g<key>: \g<reason>", str(error))
        raise TopicsFileError(f"{path}: {reason}") from error
    names = [topic.name for topic in topics]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise TopicsFileError(f"{path}: topic names used twice: {', '.join(sorted(repeated))}")
    return topics


class Lines(NamedTuple):
    """A linear function of a post's vector for each topic: 0 for a post off the topic, 1 for a post of the topic, both
    typical of the campaign."""

    weights: npt.NDArray[np.float64]
    """Width of the vectors x topics."""

    offsets: npt.NDArray[np.float64]

    def positions(self, vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the positions (posts x topics) of unit vectors (posts x width)."""
        return np.asarray(vectors.astype(np.float64) @ self.weights + self.offsets)


def fit_lines(examples: Sequence[Vectors], negatives: Sequence[Vectors]) -> Lines:
    """Fit the line of each topic from its examples to what is off the topic.

    Off the topic are the examples of the campaign's other topics, because all posts of a campaign resemble one another, and
    the topic's own negative examples. The direction is that of linear discriminant analysis with the identity as covariance,
    which the vectors are whitened to, and only half of the way to what is off the topic. Zero is there or at the origin,
    on which the vectors of posts of all kinds are centred, whichever is farther along.

    Where posts of the topic lie follows from the similarities between its examples, each with the others. With few
    examples these are unreliable, and are therefore shrunk towards what is usual.

    Args:
        examples: For each topic, the unit vectors of its texts (at least one x width).
        negatives: For each topic, the unit vectors of its negative examples (any number x width).
    """
    centres = np.stack([each.astype(np.float64).mean(axis=0) for each in examples])
    weights, offsets = np.empty_like(centres), np.empty(len(centres))
    for index, centre in enumerate(centres):
        off = _off_topic(np.delete(centres, index, axis=0), negatives[index])
        count = len(examples[index])
        within = (count * centre @ centre - 1) / (count - 1) if count > 1 else 0.0
        observed = within - centre @ off
        gap = max(((count - 1) * observed + _PRIOR_TEXTS * _USUAL_MARGIN) / (count - 1 + _PRIOR_TEXTS), _LEAST_MARGIN)
        direction = centre - _REPULSION * off
        zero = max(direction @ off, 0.0)
        # the gap between posts on and off the topic, along the direction
        length = max(centre @ off + gap - _REPULSION * centre @ off - zero, _LEAST_MARGIN)
        weights[index], offsets[index] = direction / length, -zero / length
    return Lines(weights.T, offsets)


class CampaignMatcher:
    """Scores posts against campaign topics: the position on each topic's line, mapped by a logistic curve.

    A post may match no topic: the curve was fitted on posts most of which belong to none of the topics.
    """

    def __init__(
        self,
        topics: Sequence[CampaignTopic],
        vectors: Callable[[Sequence[str]], Vectors],
        calibration: CampaignCalibration,
    ) -> None:
        """Fit the lines.

        Args:
            topics: The topics to match.
            vectors: Returns the unit vectors of texts (texts x width).
            calibration: The curve from position to score.
        """
        found = [vectors((*topic.texts, *topic.negative_examples)) for topic in topics]
        examples = [each[: len(topic.texts)] for topic, each in zip(topics, found, strict=True)]
        negatives = [each[len(topic.texts) :] for topic, each in zip(topics, found, strict=True)]
        self._names = [topic.name for topic in topics]
        self._thresholds = np.array([topic.threshold for topic in topics])
        self._calibration = calibration
        self._lines = fit_lines(examples, negatives) if topics else None

    def match(self, vectors: Vectors) -> list[CampaignScore]:
        """Score unit vectors (posts x width); without topics every answer is None with score 0."""
        if self._lines is None:
            return [CampaignScore(name=None, score=0.0)] * len(vectors)
        found = probability(self._lines.positions(vectors), self._calibration).round(4)
        return [self._answer(scores) for scores in found]

    def _answer(self, scores: npt.NDArray[np.float64]) -> CampaignScore:
        fits = scores >= self._thresholds
        best = int(np.where(fits, scores, -1.0).argmax() if fits.any() else scores.argmax())
        each = scores.tolist()
        return CampaignScore(
            name=self._names[best] if fits[best] else None,
            score=each[best],
            scores=dict(zip(self._names, each, strict=True)),
        )


def probability(position: npt.NDArray[np.float64], calibration: CampaignCalibration) -> npt.NDArray[np.float64]:
    """Map positions to scores with the logistic curve."""
    return np.asarray(1 / (1 + np.exp(-(calibration.slope * position + calibration.intercept))))


def _off_topic(others: npt.NDArray[np.float64], negatives: Vectors) -> npt.NDArray[np.float64]:
    """Return the centre of what is off a topic: of other topics' centres and of negative examples (any number x width)."""
    if not len(negatives):
        return others.mean(axis=0) if len(others) else np.zeros(others.shape[1])
    own = negatives.astype(np.float64).mean(axis=0)
    return np.asarray(_NEGATIVE_SHARE * own + (1 - _NEGATIVE_SHARE) * others.mean(axis=0)) if len(others) else own
