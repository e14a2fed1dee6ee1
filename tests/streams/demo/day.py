"""Posts, dead letters and the state of a demo, without running processes."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from prometheus_client.samples import Sample

from streams.contracts import (
    SENTIMENTS,
    CampaignScore,
    DeadLetter,
    EnrichedPost,
    LabelScore,
    Language,
    ModelInfo,
    Post,
    Sentiment,
    SentimentLabel,
    encode,
)
from streams.demo.play import prepare
from streams.demo.state import Play
from streams.sample_day import END, SPIKE, START
from streams.up.stage import STORED

CAMPAIGN = Path(str(files("streams.sample_day") / "poltwt.toml"))
HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]boo[/red]\u202etxet\u2066\r\nnew line\x9b31m #poltwt"


def enriched(
    number: int, label: SentimentLabel = "neutral", *, text: str = "Hello #poltwt", at: datetime = START, **fields: Any
) -> EnrichedPost:
    shares = {name: 0.9 if name == label else 0.05 for name in SENTIMENTS}
    return EnrichedPost(
        post=Post(source="test", id=str(number), text=text, created_at=at, hashtags=("poltwt",), **fields),
        language=Language(code="en", score=0.9),
        sentiment=Sentiment(label=label, **shares),
        topics=(LabelScore(name="news_&_social_concern", score=0.8),),
        campaign=CampaignScore(name="police dogs", score=0.7),
        model=ModelInfo(name="test", version="1"),
        enriched_at=END,
    )


def dead_letter(offset: int, error: str = "broken") -> DeadLetter:
    return DeadLetter(
        topic="posts.raw",
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=None,
        value=b"{",
        headers=(),
        reason="malformed",
        error=error,
        attempts=1,
        failed_at=END,
    )


def filled_play(folder: Path) -> Play:
    """Return the state of a demo after two hostile posts and a hostile dead letter, without running processes."""
    made = prepare(folder, kind="embedded", campaign=CAMPAIGN, speed=720, started=0.0)
    made.messages, made.first_enriched, made.now = 1_500, 5.0, 44.0
    made.stage.part("enrich").rate = 64.0
    made.stage.part("store-parquet").samples = [Sample(STORED, {}, 900)]
    tally = made.tally
    for number in range(300):
        at = START + timedelta(minutes=2 * number)
        wave = SPIKE[0] <= at < SPIKE[1]
        for copy in range(4):
            label: SentimentLabel = "negative" if wave or copy == 0 else "positive"
            tally.add_enriched(encode(enriched(number * 4 + copy, label, at=at)), ())
    late = END - timedelta(minutes=1)
    tally.add_enriched(encode(enriched(9_000, "negative", text=HOSTILE, at=late)), ())
    tally.add_enriched(encode(enriched(9_001, "negative", text="[bold]" + "警" * 200, at=late)), ())
    tally.add_dead(encode(dead_letter(7, error=HOSTILE)), ())
    return made
