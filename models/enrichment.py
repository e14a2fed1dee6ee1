"""What the model says of one post. Scores are probabilities, rounded to four decimals."""

from msgspec import Struct

SENTIMENTS = ("negative", "neutral", "positive")
"""Labels of the sentiment, in the order of its probabilities and of the numbers that data sets give them."""


class Language(Struct, frozen=True, kw_only=True):
    """The language a post is written in.

    Attributes:
        code: BCP-47, such as `en` or `hi-Latn`; `und` where there is none to tell, or none that is likely enough.
        score: probability of the likeliest language.
    """

    code: str
    score: float


class Sentiment(Struct, frozen=True, kw_only=True):
    """The mood of a post: the most probable label and the probabilities of all three, which sum to 1."""

    label: str
    negative: float
    neutral: float
    positive: float


class TopicScore(Struct, frozen=True, kw_only=True):
    """A topic whose score reached its threshold."""

    name: str
    score: float


class CampaignScore(Struct, frozen=True, kw_only=True):
    """The campaign topic nearest to a post; `name` is null when none of them fits, `score` is the nearest one's."""

    name: str | None
    score: float


class ModelInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What made an enrichment.

    Attributes:
        runtime: what computed it, such as `openvino`; None where nothing was computed.
        precision: in which numbers: `int8`, `f32` or `f16`.
    """

    name: str
    version: str
    runtime: str | None = None
    precision: str | None = None


class Enrichment(Struct, frozen=True, kw_only=True):
    """Everything the model says of one post; `topics` come best first and may be empty."""

    language: Language
    sentiment: Sentiment
    topics: tuple[TopicScore, ...]
    campaign: CampaignScore
    model: ModelInfo
