"""The model's answer for one post. Scores are probabilities, rounded to four decimals."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

Probability = Annotated[float, Meta(ge=0, le=1)]
EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "support")
"""Emotions; support is gratitude, care and admiration."""

ACTS = ("question", "request", "complaint", "thanks", "threat", "statement")
"""Acts of speech: what the author of a post wants from its readers."""

SentimentLabel = Literal["negative", "neutral", "positive"]
SENTIMENTS: tuple[SentimentLabel, ...] = get_args(SentimentLabel)
"""Sentiment labels, in the order of their probabilities and of their numbers (0 to 2) in data sets."""


class Language(Struct, frozen=True, kw_only=True):
    """The language a post is written in.

    Attributes:
        code: BCP-47 code, such as `en` or `hi-Latn`; `und` if the text has no words or no language is likely enough.
        score: Probability of the most likely language.
    """

    code: str
    score: Probability


class Sentiment(Struct, frozen=True, kw_only=True):
    """The sentiment of a post: the most probable label and the probabilities of all three, which sum to 1."""

    label: SentimentLabel
    negative: Probability
    neutral: Probability
    positive: Probability


class LabelScore(Struct, frozen=True, kw_only=True):
    """A topic, emotion or act of speech whose score reaches its threshold."""

    name: str
    score: Probability


CAMPAIGN_THRESHOLD = 0.5
"""Score from which a post may be assigned a campaign topic, if the topic has no threshold of its own."""


class CampaignScore(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The campaign topic of a post, and the scores of all.

    Attributes:
        name: The topic with the highest score of those whose score reaches their threshold; None if there is no such topic.
        score: Score of that topic, or else the highest of all; 0 without topics.
        scores: Score of every topic of the campaign, by name.
    """

    name: str | None
    score: Probability
    scores: dict[str, Probability] = {}


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
    """The complete answer of the model for one post.

    The labels of `SEVERAL` are sorted by descending score, and empty if none reaches its threshold or the model has no
    such head.
    """

    language: Language
    sentiment: Sentiment
    topics: tuple[LabelScore, ...]
    emotions: tuple[LabelScore, ...] = ()
    acts: tuple[LabelScore, ...] = ()
    campaign: CampaignScore
    model: ModelInfo


SEVERAL = {"topics": "topic", "emotions": "emotion", "acts": "act"}
"""The answers that give a post any number of labels: the name of the field, and the word for one of its labels."""
