"""Helpers that write small runs of posts to a lake, using the sink itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.contracts import (
    SENTIMENTS,
    CampaignScore,
    EnrichedPost,
    LabelScore,
    Language,
    ModelInfo,
    Post,
    Sentiment,
    SentimentLabel,
)
from streams.runtime.lossless import Record
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake.parquet import ParquetSink

START = datetime(2026, 6, 20, 9, 30, tzinfo=UTC)
EDITED = START + timedelta(hours=1)


def enriched(
    post_id: str,
    sentiment: SentimentLabel = "neutral",
    *,
    sure: float = 0.8,
    text: str = "hello",
    language: str = "en",
    hashtags: tuple[str, ...] = ("k9",),
    topics: tuple[str, ...] = (),
    emotions: tuple[str, ...] = (),
    acts: tuple[str, ...] = (),
    campaign: str | None = None,
    days: int = 0,
    edited_at: datetime | None = None,
    version: str = "1",
) -> EnrichedPost:
    """Return a post whose sentiment has the probability `sure`; the other two divide the rest equally."""
    probabilities = {label: sure if label == sentiment else (1 - sure) / 2 for label in SENTIMENTS}
    return EnrichedPost(
        post=Post(
            source="test",
            id=post_id,
            text=text,
            created_at=START + timedelta(days=days),
            hashtags=hashtags,
            edited_at=edited_at,
        ),
        language=Language(code=language, score=0.9),
        sentiment=Sentiment(label=sentiment, **probabilities),
        topics=_scored(topics),
        emotions=_scored(emotions),
        acts=_scored(acts),
        campaign=CampaignScore(name=campaign, score=0.5),
        model=ModelInfo(name="constant", version=version, runtime="openvino", precision="int8"),
        enriched_at=START,
    )


def _scored(names: tuple[str, ...]) -> tuple[LabelScore, ...]:
    return tuple(LabelScore(name=name, score=0.9) for name in names)


async def write_run(lake: Path | str, run: str, posts: Iterable[EnrichedPost]) -> None:
    """Store the posts under the name of this run."""
    sink = ParquetSink(LakeSettings(path=lake), run)
    await sink.open()
    rows = [Row(Record("posts.enriched", 0, offset, 0, post.key, b"", ()), post) for offset, post in enumerate(posts)]
    await sink.write(rows)
    await sink.flush()
    await sink.close()
