"""What stands in the lake: the rows of its files, and the view that users ask."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from streams.lake_query import ask
from streams.settings import Settings
from streams.sinks.lake import parse_file_name


def lake_rows(lake: Path) -> list[tuple[str, int, int, str]]:
    """Topic, partition, offset and id of every row of every file of posts."""
    found = []
    for file in lake.glob("posts/**/*.parquet"):
        span = parse_file_name(file.name)
        assert span is not None, f"a file with a foreign name: {file}"
        table = pq.read_table(file, columns=["kafka_offset", "id"], partitioning=None)
        offsets, ids = (table.column(name).to_pylist() for name in ("kafka_offset", "id"))
        found += [(span.topic, span.partition, offset, post) for offset, post in zip(offsets, ids, strict=True)]
    return found


def posts_in_view(settings: Settings) -> int:
    """How many posts the view `posts` has."""
    ((number,),) = ask(settings.lake.path, "select count(*) from posts").rows
    return int(number)
