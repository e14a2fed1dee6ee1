"""Messages out of the lake as they came in: what a replay reads."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pac

from streams.contracts import Deletion, Engagement, Post
from streams.sinks.lake.columns import POST_SCHEMA
from streams.sinks.lake.files import files_of, read_table, require_run
from streams.sinks.lake.folders import DELETIONS, POSTS
from streams.sinks.lake.opening import open_lake
from streams.sinks.lake.storage import Storage

_NOT_OF_THE_POST = {
    *("language", "language_score", "sentiment", "negative", "neutral", "positive", "topics", "topic_scores"),
    *("campaign_topic", "campaign_score", "enriched_at"),
    *("model_name", "model_version", "model_runtime", "model_precision"),
}
_POST_COLUMNS = [field.name for field in POST_SCHEMA if field.name not in _NOT_OF_THE_POST]
_CHUNK = 2_000

_Order = tuple[datetime, int, datetime]


def read_messages(lake: Path | str, run: str) -> Iterator[Post | Deletion]:
    """Every post, edit and deletion of a run that the lake holds, in the order of event time.

    Edits of a post come in the order of their edits. Memory holds the folders that the event time stands in: an hour, and
    what was collected late of its month and year. A compaction keeps only the newest edits, and no deleted or forgotten
    posts. Raises at once SettingsError where there is no lake, and BadInput where there is no such run; Unavailable, Refused.
    """
    storage = open_lake(lake)
    require_run(storage, run)
    return _merged(storage, run)


def _merged(storage: Storage, run: str) -> Iterator[Post | Deletion]:
    starts = {file.folder: file.start for kind in (POSTS, DELETIONS) for file in files_of(storage, f"{kind}/run={run}")}
    waiting = sorted(starts, key=lambda folder: starts[folder], reverse=True)
    standing: list[tuple[_Order, int, Post | Deletion, Iterator[Post | Deletion]]] = []
    while waiting or standing:
        # a folder is opened when no earlier message is left
        while waiting and (not standing or starts[waiting[-1]] <= standing[0][0][0]):
            messages = _messages(storage, waiting.pop())
            if (first := next(messages, None)) is not None:
                heapq.heappush(standing, (_order(first), len(waiting), first, messages))
        if not standing:
            continue
        _, number, message, messages = standing[0]
        yield message
        following = next(messages, None)
        if following is None:
            heapq.heappop(standing)
        else:
            heapq.heapreplace(standing, (_order(following), number, following, messages))


def _messages(storage: Storage, folder: str) -> Iterator[Post | Deletion]:
    make = post_of if folder.startswith(f"{POSTS}/") else _deletion_of
    return map(make, _rows(storage, folder))


def post_of(row: Mapping[str, Any]) -> Post:
    """The post of a row of the lake, equal to the one that was stored."""
    return Post(
        source=row["source"],
        id=row["id"],
        text=row["text"],
        created_at=row["created_at"],
        author=row["author"],
        hashtags=tuple(row["hashtags"]),
        language_hint=row["language_hint"],
        media=tuple(row["media"]),
        reply_to=row["reply_to"],
        repost_of=row["repost_of"],
        engagement=Engagement(likes=row["likes"], reposts=row["reposts"], replies=row["replies"]),
        url=row["url"],
        edited_at=row["edited_at"],
        collected_at=row["collected_at"],
        created_at_is_estimate=row["created_at_is_estimate"],
        author_created_at=row["author_created_at"],
    )


def _deletion_of(row: Mapping[str, Any]) -> Deletion:
    return Deletion(source=row["source"], id=row["id"], deleted_at=row["deleted_at"])


def _order(message: Post | Deletion) -> _Order:
    """By event time, a post as it was written before its edits, and a deletion after both."""
    if isinstance(message, Deletion):
        return message.deleted_at, 2, message.deleted_at
    edited_at = message.edited_at
    return message.created_at, int(edited_at is not None), edited_at or message.created_at


def _rows(storage: Storage, folder: str) -> Iterator[dict[str, Any]]:
    """The rows of a folder, each once, sorted."""
    table = _table(storage, folder)
    if table is None:
        return
    if folder.startswith(f"{POSTS}/"):
        # the post as it was written comes before its edits
        table = table.append_column("is_edit", pac.is_valid(table.column("edited_at")).cast(pa.int8()))
        time = ["created_at", "is_edit", "edited_at"]
    else:
        time = ["deleted_at"]
    order = [*time, "kafka_partition", "kafka_offset"]
    at = pac.sort_indices(table, [(name, "ascending") for name in order])
    seen: set[tuple[Any, ...]] = set()
    for start in range(0, len(at), _CHUNK):
        for row in table.take(at[start : start + _CHUNK]).to_pylist():
            # a crash in mid-compaction leaves rows twice
            place = (row["topic"], row["kafka_partition"], row["kafka_offset"], row["source"], row["id"])
            if place not in seen:
                seen.add(place)
                yield row


def _table(storage: Storage, folder: str) -> pa.Table | None:
    columns = _POST_COLUMNS if folder.startswith(f"{POSTS}/") else None
    while True:
        tables = []
        try:
            for file in files_of(storage, folder):
                table = read_table(storage, file.name, columns)
                tables.append(table.append_column("topic", pa.array([file.span.topic] * len(table), pa.string())))
        except FileNotFoundError:
            continue  # a compaction replaced it
        return pa.concat_tables(tables) if tables else None
