"""The summary of the demo, from the tally and from the lake: what the day was like, and whether everything arrived."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.contracts import SentimentLabel
from streams.demo.tally import TurningPoint
from streams.sinks.lake.query import ask
from streams.text.terminal import rfc_3339
from streams.up.mood import SentimentTally

if TYPE_CHECKING:
    from streams.demo.state import Play

_SHARED = """
select original.text, original.author, original.language, original.sentiment, count(*) as reposts
from posts repost join posts original on original.source = repost.source and original.id = repost.repost_of
group by all order by reposts desc, original.text limit 5
"""
_HOURS = """
select date_trunc('hour', created_at) as hour, count(*) filter (sentiment = 'negative'),
count(*) filter (sentiment = 'neutral'), count(*) filter (sentiment = 'positive') from posts group by 1 order by 1
"""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A post that was reposted."""

    text: str
    author: str
    language: str
    sentiment: SentimentLabel
    reposts: int


@dataclass(frozen=True, kw_only=True)
class DaySummary:
    """The demo in numbers: produced = enriched + deletions + dead + missing."""

    produced: int
    """Records in the raw topic: posts, edits, deletions and bad records."""
    enriched: int
    deletions: int
    dead: int
    dead_by_reason: dict[str, int]
    missing: int
    duplicates: int
    """Messages sent again after the workers were interrupted; the lake contains them once."""
    posts: int
    """Distinct posts that were enriched and not deleted."""
    stored: int
    """Distinct posts in the lake."""
    seconds: float
    seconds_to_first_enriched: float | None
    speed: float | None
    model: str
    hashtags: dict[str, SentimentTally]
    languages: dict[str, int]
    topics: dict[str, int]
    campaign_topics: dict[str, SentimentTally]
    hours: dict[datetime, SentimentTally]
    turn: TurningPoint | None
    most_shared: tuple[Shared, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every message has been enriched and stored, or is a dead letter."""
        return self.missing == 0 and self.stored == self.posts

    def to_json(self) -> dict[str, Any]:
        """Return the summary for `json.dumps`, with times in RFC 3339."""
        fields = asdict(self)
        fields["hours"] = {rfc_3339(hour): asdict(mood) for hour, mood in self.hours.items()}
        if self.turn:
            fields["turn"] |= {"begin": rfc_3339(self.turn.begin), "end": rfc_3339(self.turn.end)}
        return {"complete": self.is_complete, **fields}


def sum_up(run: Play) -> DaySummary:
    """Summarise the day from the tally and the lake; the workers must have ended or flushed."""
    tally, lake = run.tally, run.stage.lake
    ranked = sorted(tally.hashtags.items(), key=lambda item: -item[1].total)
    return DaySummary(
        produced=tally.produced,
        enriched=tally.enriched,
        deletions=tally.deletions,
        dead=tally.dead,
        dead_by_reason=dict(tally.reasons),
        missing=len(tally.missing()),
        duplicates=tally.duplicates,
        posts=tally.kept_posts,
        stored=lake_posts(lake),
        seconds=round(run.seconds, 2),
        seconds_to_first_enriched=None if run.first_enriched is None else round(run.first_enriched, 2),
        speed=None if (speed := run.stage.wanted.speed) == inf else speed,
        model=tally.model,
        hashtags=dict(ranked[:10]),
        languages=dict(tally.languages.most_common()),
        topics=dict(tally.topics.most_common()),
        campaign_topics=dict(tally.campaign),
        hours={hour: SentimentTally(*counts) for hour, *counts in ask(lake, _HOURS).rows},
        turn=tally.turn(),
        most_shared=tuple(
            Shared(text=text, author=author, language=language, sentiment=sentiment, reposts=reposts)
            for text, author, language, sentiment, reposts in ask(lake, _SHARED).rows
        ),
    )


def lake_posts(lake: Path | str) -> int:
    """Return the number of distinct posts in a lake."""
    ((count,),) = ask(lake, "select count(*) from posts").rows
    return int(count)
