"""Reading what the lake contains: the rows of its files, and the view that users query."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streams.contracts import Deletion, EnrichedMessage, EnrichedPost
from streams.settings import LakeSettings, Settings
from streams.sinks.base import Row
from streams.sinks.lake.compact import Compacted, compact
from streams.sinks.lake.folders import POSTS, parse
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.query import ask
from tests.helpers.reference import fold
from tests.helpers.rows import START, row


def lake_rows(lake: Path | str) -> list[tuple[str, int, int, str]]:
    """Return the topic, partition, offset and id of every row in every file of posts."""
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
    """Return the number of posts in the view `posts`; 0 while there is no lake."""
    if isinstance(settings.lake.path, Path) and not settings.lake.path.is_dir():
        return 0
    ((number,),) = ask(settings.lake.path, "select count(*) from posts").rows
    return int(number)


def view_rows(lake: Path | str, run: str = "live") -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return the fields of each post of a run in the view. Fail if it shows a post twice."""
    columns = "text, created_at, edited_at, author, hashtags, language, sentiment, negative, topics, likes, enriched_at"
    answer = ask(lake, f"select source, id, {columns} from posts where run = '{run}'")
    rows = [(tuple(row[:2]), tuple(row[2:])) for row in answer.rows]
    found = dict(rows)
    assert len(found) == len(rows), "the view shows a post twice"
    return found


def expected_rows(messages: Iterable[EnrichedMessage]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return the fields that the view must show after these messages."""
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


def stored(lake: Path, kind: str = POSTS) -> list[tuple[int, int, str]]:
    found = []
    for file in (lake / kind).rglob("*.parquet"):
        table = pq.read_table(file, columns=["kafka_partition", "kafka_offset", "id"], partitioning=None)
        found += [(line["kafka_partition"], line["kafka_offset"], line["id"]) for line in table.to_pylist()]
    return sorted(found)


async def write(lake: Path | str, rows: list[Row]) -> int:
    sink = ParquetSink(LakeSettings(path=lake))
    await sink.open()
    await sink.write(rows)
    flushed = await sink.flush()
    await sink.close()
    return flushed.stored


class Crash(BaseException):
    """A simulated death of the process."""


@contextlib.contextmanager
def crash_at(step: int | None) -> Iterator[None]:
    """Crash before file operation `step` of the block: a sync (all of which are skipped), a rename or a removal."""
    left, counting = step, threading.Lock()

    def dying(call: Any) -> Any:
        def instead(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            with counting:
                if left == 0:
                    raise Crash
                if left is not None:
                    left -= 1
            return call(*arguments, **options)

        return instead

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", dying(lambda _: None))
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        yield


def squeeze(lake: Path) -> list[Compacted]:
    storage = LocalStorage(lake)
    return list(compact(storage, run=None, before=START + timedelta(days=9), execute=True))


async def open_sink(lake: Path, run: str = "live") -> ParquetSink:
    sink = ParquetSink(LakeSettings(path=lake), run)
    await sink.open()
    return sink


async def store_run(lake: Path, run: str, *messages: EnrichedPost | Deletion) -> None:
    sink = await open_sink(lake, run)
    await sink.write([row(offset, message) for offset, message in enumerate(messages)])
    await sink.flush()
