"""Measures a query for a day's mood by hashtag and hour, through the view and on the bare files.

`python benchmarks/query.py [--posts N]`. The lake is generated with the sink's own writer: posts of one day in four partitions,
of which one in fifty was edited and one in a hundred deleted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import duckdb
import numpy as np
import pyarrow as pa
from rows import Row, show

from streams.contracts import SENTIMENTS
from streams.sinks.lake.columns import DELETION_SCHEMA, POST_SCHEMA
from streams.sinks.lake.files import write_table
from streams.sinks.lake.folders import DELETIONS, POSTS, Span
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.query import ask

DAY = datetime(2026, 6, 20, tzinfo=UTC)
HOURS, PARTITIONS, ROUNDS = 24, 4, 5
EDITED, DELETED = 50, 100
SENTIMENTS_BY_SCORE = np.array(SENTIMENTS)
TAGS = [f"tag{number}" for number in range(200)]

MOOD = """
select hour, tag, count(*) as posts, count(*) filter (sentiment = 'negative') as negative,
count(*) filter (sentiment = 'neutral') as neutral, count(*) filter (sentiment = 'positive') as positive, avg(negative)
from (select date_trunc('hour', created_at) as hour, unnest(hashtags) as tag, sentiment, negative from {posts})
group by 1, 2 order by 1, 2
"""


def fill(lake: Path, posts: int) -> None:
    """Write posts of one day to a lake, with edits and deletions in separate files, as on a live day."""
    storage, dice = LocalStorage(lake), np.random.default_rng(1)
    storage.prepare()
    share = posts // (HOURS * PARTITIONS)
    for hour in range(HOURS):
        for partition in range(PARTITIONS):
            first = hour * share * 2
            numbers = np.arange(share)
            place = f"run=live/date={DAY:%Y-%m-%d}/hour={hour:02}"
            parts = [(numbers, False), (numbers[::EDITED], True)]
            for at, edited in parts:
                table = _posts(at, hour, partition, first + share * edited, edited, dice)
                span = Span("posts.enriched", partition, first + share * edited, first + share * (1 + edited) - 1)
                write_table(storage, f"{POSTS}/{place}/{span.file_name()}", table)
            gone = numbers[::DELETED]
            deletions = pa.table(
                {
                    "source": ["bench"] * len(gone),
                    "id": [f"{hour}-{partition}-{number}" for number in gone],
                    "deleted_at": [DAY + timedelta(hours=hour + 2)] * len(gone),
                    "kafka_partition": [partition] * len(gone),
                    "kafka_offset": gone,
                },
                schema=DELETION_SCHEMA,
            )
            write_table(storage, f"{DELETIONS}/{place}/{span.file_name(1)}", deletions)


def _posts(
    numbers: np.ndarray, hour: int, partition: int, offset: int, edited: bool, dice: np.random.Generator
) -> pa.Table:
    count = len(numbers)
    scores = dice.dirichlet([1, 1, 1], count)
    times = np.datetime64(DAY.replace(tzinfo=None), "us") + np.timedelta64(3_600, "s") * hour
    times = times + (numbers * 3_600_000_000 // max(1, numbers[-1] + 1)).astype("timedelta64[us]")
    tags = dice.integers(0, len(TAGS), (count, 2))
    edits = times + np.timedelta64(600, "s") if edited else np.full(count, None)
    known = {
        "source": ["bench"] * count,
        "id": [f"{hour}-{partition}-{number}" for number in numbers],
        "created_at": times,
        "text": [
            f"post {number} of hour {hour} about {one:x} and {other:x}"
            for number, (one, other) in zip(numbers, tags, strict=True)
        ],
        "author": [f"author-{number}" for number in tags[:, 1]],
        "hashtags": [sorted({TAGS[one], TAGS[other]}) for one, other in tags],
        "language": ["en"] * count,
        "language_score": scores[:, 0].round(4),
        "sentiment": SENTIMENTS_BY_SCORE[scores.argmax(axis=1)],
        "negative": scores[:, 0].round(4),
        "neutral": scores[:, 1].round(4),
        "positive": scores[:, 2].round(4),
        "edited_at": edits,
        "enriched_at": [DAY] * count,
        "kafka_partition": [partition] * count,
        "kafka_offset": numbers + offset,
    }
    columns = [known.get(field.name, [None] * count) for field in POST_SCHEMA]
    arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, POST_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=POST_SCHEMA)


def best(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the duration of the fastest of several runs, in seconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def measure(lake: Path) -> Row:
    pattern = str(lake / POSTS / "*" / "*" / "*" / "*.parquet")
    bare = duckdb.connect()
    bare.execute("set timezone = 'UTC'")
    peers = best(lambda: bare.execute(MOOD.format(posts=f"read_parquet('{pattern}')")).fetchall())
    ours = best(lambda: list(ask(lake, MOOD.format(posts="posts")).rows))
    return Row("a day's mood by hashtag and hour", ours * 1_000, "ms", "bare DuckDB", peers * 1_000, peers / ours)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
@click.option("--posts", type=click.IntRange(HOURS * PARTITIONS), default=1_000_000, show_default=True)
def main(as_json: bool, posts: int) -> None:
    """Fill a lake and query it."""
    with tempfile.TemporaryDirectory() as name:
        lake = Path(name) / "lake"
        fill(lake, posts)
        show([measure(lake)], f"{posts:,} posts in a lake", as_json=as_json)


if __name__ == "__main__":
    main()
