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
from streams.sinks.lake import DELETIONS, POST_SCHEMA, POSTS, parse_file_name
from streams.sinks.lake_files import base_name, read_table
from streams.sinks.storage import Storage, open_storage

_NOT_OF_THE_POST = {
    *("language", "language_score", "sentiment", "negative", "neutral", "positive", "topics", "topic_scores"),
    *("campaign_topic", "campaign_score", "enriched_at"),
    *("model_name", "model_version", "model_runtime", "model_precision"),
}
_POST_COLUMNS = [field.name for field in POST_SCHEMA if field.name not in _NOT_OF_THE_POST]
_CHUNK = 2_000


def read_messages(lake: Path | str, run: str) -> Iterator[Post | Deletion]:
    """Every post, edit and deletion of a run that the lake holds, in the order of event time.

    Edits of a post come in the order of their edits. Memory holds an hour of event time. A compaction keeps only the
    newest edits, and no deleted or forgotten posts. Raises Unavailable, Refused, BadInput.
    """
    storage = open_storage(lake)
    folders = [f"{kind}/run={run}" for kind in (POSTS, DELETIONS)]
    hours = sorted({"/".join(name.split("/")[2:4]) for folder in folders for name in storage.files(folder)})
    for hour in hours:
        posts, deletions = (_rows(storage, f"{folder}/{hour}") for folder in folders)
        messages: list[Iterator[Post | Deletion]] = [map(post_of, posts), map(_deletion_of, deletions)]
        yield from heapq.merge(*messages, key=_time)


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


def _time(message: Post | Deletion) -> datetime:
    return message.created_at if isinstance(message, Post) else message.deleted_at


def _rows(storage: Storage, folder: str) -> Iterator[dict[str, Any]]:
    """The rows of an hour, each once, sorted."""
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
            for name in storage.files(folder):
                if span := parse_file_name(base_name(name)):
                    table = read_table(storage, name, columns)
                    tables.append(table.append_column("topic", pa.array([span.topic] * len(table), pa.string())))
        except FileNotFoundError:
            continue  # a compaction replaced it
        return pa.concat_tables(tables) if tables else None
