"""What stands in the lake: the rows of its files, and the view that users ask."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from streams.contracts import EnrichedMessage
from streams.settings import Settings
from streams.sinks.lake.folders import parse
from streams.sinks.lake.query import ask
from tests.helpers.reference import fold


def lake_rows(lake: Path | str) -> list[tuple[str, int, int, str]]:
    """Topic, partition, offset and id of every row of every file of posts."""
    found = []
    for file in Path(lake).glob("posts/**/*.parquet"):
        ours = parse(str(file.relative_to(lake)))
        assert ours is not None, f"a file with a foreign name: {file}"
        span = ours.span
        table = pq.read_table(file, columns=["kafka_offset", "id"], partitioning=None)
        offsets, ids = (table.column(name).to_pylist() for name in ("kafka_offset", "id"))
        found += [(span.topic, span.partition, offset, post) for offset, post in zip(offsets, ids, strict=True)]
    return found


def posts_in_view(settings: Settings) -> int:
    """How many posts the view `posts` has, none while there is no lake."""
    if isinstance(settings.lake.path, Path) and not settings.lake.path.is_dir():
        return 0
    ((number,),) = ask(settings.lake.path, "select count(*) from posts").rows
    return int(number)


def view_rows(lake: Path | str, run: str = "live") -> dict[tuple[str, str], tuple[Any, ...]]:
    """What the view shows of each post of a run; fails when it shows one twice."""
    columns = "text, created_at, edited_at, author, hashtags, language, sentiment, negative, topics, likes, enriched_at"
    answer = ask(lake, f"select source, id, {columns} from posts where run = '{run}'")
    rows = [(tuple(row[:2]), tuple(row[2:])) for row in answer.rows]
    found = dict(rows)
    assert len(found) == len(rows), "the view shows a post twice"
    return found


def expected_rows(messages: Iterable[EnrichedMessage]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What the view has to show after these messages."""
    return {
        key: (
            enriched.post.text,
            enriched.post.created_at,
            enriched.post.edited_at,
            enriched.post.author,
            list(enriched.post.hashtags),
            enriched.language.code,
            enriched.sentiment.label,
            enriched.sentiment.negative,
            [topic.name for topic in enriched.topics],
            enriched.post.engagement.likes,
            enriched.enriched_at,
        )
        for key, enriched in fold(messages).items()
    }
