"""The columns of a stored post: the sinks, a replay from the lake and the documentation follow this table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

from streams.contracts import SEVERAL


class Kind(Enum):
    """What the values of a column are, as the documentation says it."""

    TEXT = "text"
    TEXTS = "list of texts"
    NUMBER = "number"
    NUMBERS = "list of numbers"
    SCORES = "map from text to number"
    INT32 = "32-bit integer"
    INT64 = "64-bit integer"
    TIME = "time"
    FLAG = "boolean"


class Column(NamedTuple):
    """A column of the lake and of PostgreSQL."""

    name: str
    path: str
    """Attribute path of its value in a `streams.sinks.base.Row`; `[]` stands for each element of a tuple.

    What a replay from the lake reads is below `message.post`: the rest is computed again.
    """
    kind: Kind
    help: str
    encoding: str | None = None
    """Its encoding in Parquet, if it differs from the usual one of its kind (see `streams.sinks.lake.columns`)."""
    cleared: bool = False
    """Whether `tagpulse forget --reposts clear` empties it; possible for texts and lists of texts."""


def _labels(name: str) -> Iterator[Column]:
    """Yield the columns of an answer with any number of labels."""
    what = f"{name.capitalize()} whose score reaches their threshold, best first."
    yield Column(name, f"message.{name}[].name", Kind.TEXTS, what)
    scores = f"Probabilities of `{name}`, in the same order."
    yield Column(f"{SEVERAL[name]}_scores", f"message.{name}[].score", Kind.NUMBERS, scores)


COLUMNS = (
    Column("source", "message.post.source", Kind.TEXT, "The network that the post is from, such as `bluesky`."),
    Column("id", "message.post.id", Kind.TEXT, "The id of the post on its network.", "DELTA_BYTE_ARRAY"),
    Column("created_at", "message.post.created_at", Kind.TIME, "When the post was written."),
    Column("text", "message.post.text", Kind.TEXT, "The text of the newest edit.", "PLAIN", cleared=True),
    Column("author", "message.post.author", Kind.TEXT, "The author's name on the network, or a pseudonym."),
    Column("hashtags", "message.post.hashtags", Kind.TEXTS, "Hashtags in lower case, without the sign."),
    Column("language", "message.language.code", Kind.TEXT, "BCP-47 code of the language, `und` if undetermined."),
    Column("language_score", "message.language.score", Kind.NUMBER, "Probability of the language."),
    Column("sentiment", "message.sentiment.label", Kind.TEXT, "The most probable sentiment."),
    Column("negative", "message.sentiment.negative", Kind.NUMBER, "Probability that the post is negative."),
    Column("neutral", "message.sentiment.neutral", Kind.NUMBER, "Probability that the post is neutral."),
    Column("positive", "message.sentiment.positive", Kind.NUMBER, "Probability that the post is positive."),
    *chain.from_iterable(map(_labels, SEVERAL)),
    Column("campaign_topic", "message.campaign.name", Kind.TEXT, "Topic of the campaign; null if none fits."),
    Column(
        "campaign_score", "message.campaign.score", Kind.NUMBER, "Score of this topic, or the highest if none fits."
    ),
    Column("campaign_scores", "message.campaign.scores", Kind.SCORES, "Score of every topic of the campaign."),
    Column(
        "language_hint",
        "message.post.language_hint",
        Kind.TEXT,
        "The language that the network states, or several, separated by commas.",
    ),
    Column("media", "message.post.media", Kind.TEXTS, "Kinds of attached media, such as `image`.", cleared=True),
    Column("reply_to", "message.post.reply_to", Kind.TEXT, "The id of the post that this one replies to."),
    Column("repost_of", "message.post.repost_of", Kind.TEXT, "The id of the post that this one repeats."),
    Column("likes", "message.post.engagement.likes", Kind.INT64, "Likes when the post was collected."),
    Column("reposts", "message.post.engagement.reposts", Kind.INT64, "Reposts when the post was collected."),
    Column("replies", "message.post.engagement.replies", Kind.INT64, "Replies when the post was collected."),
    Column("url", "message.post.url", Kind.TEXT, "The address of the post on the web.", "DELTA_BYTE_ARRAY"),
    Column("edited_at", "message.post.edited_at", Kind.TIME, "When the post was last edited; null if never."),
    Column("collected_at", "message.post.collected_at", Kind.TIME, "When tagpulse received the post."),
    Column(
        "created_at_is_estimate",
        "message.post.created_at_is_estimate",
        Kind.FLAG,
        "Whether `created_at` is when the post was first seen, because its own time was missing or implausible.",
    ),
    Column(
        "author_created_at",
        "message.post.author_created_at",
        Kind.TIME,
        "The author's time, if `created_at` replaces it.",
    ),
    Column("model_name", "message.model.name", Kind.TEXT, "Name of the model that enriched the post."),
    Column("model_version", "message.model.version", Kind.TEXT, "Version of the model."),
    Column("model_runtime", "message.model.runtime", Kind.TEXT, "Back end of the model, such as `openvino`."),
    Column("model_precision", "message.model.precision", Kind.TEXT, "Precision of the model: `int8`, `f32` or `f16`."),
    # all posts of a batch have the same time
    Column("enriched_at", "message.enriched_at", Kind.TIME, "When the model processed the post.", "RLE_DICTIONARY"),
    Column("kafka_partition", "record.partition", Kind.INT32, "Kafka partition of the enriched post."),
    Column("kafka_offset", "record.offset", Kind.INT64, "Kafka offset of the enriched post."),
)
CLEARED = [column for column in COLUMNS if column.cleared]


def values_of(columns: Sequence[Column], rows: Sequence[object]) -> Iterator[list[Any]]:
    """Yield the values of each column.

    Args:
        columns: The columns.
        rows: Objects with the attributes `record` and `message`.
    """
    parts: dict[str, list[Any]] = {}
    # by column, because building a tuple for each row would cost more than everything else here
    for column in columns:
        whole, _, element = column.path.partition("[].")
        part, _, attribute = whole.rpartition(".")
        if part not in parts:
            parts[part] = list(map(attrgetter(part), rows))
        values = list(map(attrgetter(attribute), parts[part]))
        if element:
            part_of = attrgetter(element)
            values = [list(map(part_of, value)) if value else value for value in values]
        yield values
