"""The model's answer for one post. Scores are probabilities, rounded to four decimals."""

from msgspec import Struct

SENTIMENTS = ("negative", "neutral", "positive")
"""Sentiment labels, in the order of their probabilities and of their numbers (0 to 2) in data sets."""


class Language(Struct, frozen=True, kw_only=True):
    """The language a post is written in.

    Attributes:
        code: BCP-47 code, such as `en` or `hi-Latn`; `und` if the text has no words or no language is likely enough.
        score: Probability of the most likely language.
    """

    code: str
    score: float


class Sentiment(Struct, frozen=True, kw_only=True):
    """The sentiment of a post: the most probable label and the probabilities of all three, which sum to 1."""

    label: str
    negative: float
    neutral: float
    positive: float


class TopicScore(Struct, frozen=True, kw_only=True):
    """A topic whose score reaches its threshold."""

    name: str
    score: float


class CampaignScore(Struct, frozen=True, kw_only=True):
    """The nearest campaign topic of a post. `name` is null if no topic fits; `score` is that of the nearest topic."""

    name: str | None
    score: float


class ModelInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model that produced an enrichment.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        runtime: Back end that computed the enrichment, such as `openvino`; None if nothing was computed.
        precision: Numeric precision: `int8`, `f32` or `f16`.
    """

    name: str
    version: str
    runtime: str | None = None
    precision: str | None = None


class Enrichment(Struct, frozen=True, kw_only=True):
    """The complete answer of the model for one post. `topics` are sorted by descending score and may be empty."""

    language: Language
    sentiment: Sentiment
    topics: tuple[TopicScore, ...]
    campaign: CampaignScore
    model: ModelInfo
