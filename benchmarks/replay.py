"""Measures how fast a replay reads and sends, compared with a bare kafka-python loop: `python benchmarks/replay.py`.

Both read the same topic from start to end and write every record to another topic, confirmed, with its key and time. The
replay also selects messages, decodes each of them if a hashtag is given, and records where each message came from.

The last row takes a minute: it replays an hour at 60 × and measures by how much its last post is early or late.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pipeline import Bench, repeat_posts, run, write_posts
from rows import Row, show

from streams.kafka import connection, topics
from streams.kafka.reader import open_reader
from streams.processes.broker import Kind, build_broker
from streams.replay.feed import ReplayFeed, ResumePoint
from streams.replay.kafka import KafkaReader
from streams.replay.selection import Selection
from streams.settings import PREFIX, KafkaSettings, Settings, TopicsSettings, for_run

DISTINCT = 10_000
HOUR_POSTS, SPEED, ALLOWED_MS = 20_000, 60.0, 500.0


def copy_bare(bootstrap: str, source: str, target: str, number: int) -> float:
    """Copy a topic with a bare kafka-python consumer and producer and return the records a second."""
    consumer = KafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=10_000,
    )
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", linger_ms=20, acks="all")
    next(consumer)
    copied, started = 1, time.perf_counter()
    for record in consumer:
        producer.send(target, record.value, record.key, timestamp_ms=record.timestamp)
        copied += 1
        if copied == number:
            break
    producer.flush()
    rate = copied / (time.perf_counter() - started)
    consumer.close()
    producer.close()
    return rate


def replay(settings: Settings, name: str, selection: Selection) -> float:
    """Replay a topic and return the records a second."""
    own = for_run(settings, name)
    topics.create(own)
    reader = KafkaReader.open(settings.kafka, settings.topics.raw, selection)
    feed = ReplayFeed(reader, selection, own)
    started = time.perf_counter()
    if not feed.run(ResumePoint()):
        raise SystemExit("the replay did not finish")
    return feed.progress.sent / (time.perf_counter() - started)


def drift(settings: Settings, partitions: Sequence[int]) -> float:
    """Return by how many milliseconds the last post of an hour at 60 × is off, as seen by a reader of the run's topic."""
    own = for_run(settings, "paced")
    topics.create(own)
    arrived: list[tuple[float, int]] = []

    def read() -> None:
        with open_reader(own.kafka) as consumer:
            consumer.assign([TopicPartition(own.topics.raw, number) for number in partitions])
            consumer.seek_to_beginning()
            while len(arrived) < HOUR_POSTS:
                for records in consumer.poll(timeout_ms=20).values():
                    now = time.perf_counter()
                    arrived.extend((now, record.timestamp) for record in records)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    feed = ReplayFeed(KafkaReader.open(settings.kafka, settings.topics.raw, Selection()), Selection(), own, speed=SPEED)
    if not feed.run(ResumePoint()):
        raise SystemExit("the replay did not finish")
    reader.join(timeout=10)
    (start, first_ms), (end, last_ms) = arrived[0], max(arrived, key=lambda one: one[1])
    return abs((end - start) * 1000 - (last_ms - first_ms) / SPEED)


def settings_of(env: Mapping[str, str]) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=env[f"{PREFIX}KAFKA__BOOTSTRAP_SERVERS"]),
        topics=TopicsSettings(raw=env[f"{PREFIX}TOPICS__RAW"]),
    )


def write_hour(settings: Settings) -> list[int]:
    """Write posts at equal intervals over an hour to the raw topic and return its partitions."""
    producer = KafkaProducer(**connection.kafka_python(settings.kafka))
    start = 1_781_942_400_000
    for number in range(HOUR_POSTS):
        at = start + number * 3_600_000 // (HOUR_POSTS - 1)
        producer.send(settings.topics.raw, b"{}", str(number).encode(), timestamp_ms=at)
    producer.flush()
    partitions = sorted(producer.partitions_for(settings.topics.raw))
    producer.close()
    return partitions


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
@click.option("--posts", default=200_000, show_default=True, help="Number of records in the topic.")
@click.option(
    "--kind",
    type=click.Choice(["embedded", "apache"]),
    help="Broker.  [default: apache if KAFKA_HOME is set, else embedded]",
)
def main(as_json: bool, posts: int, kind: Kind | None) -> None:
    """Measure a replay at `max` against the bare loop."""
    chosen: Kind = kind or ("apache" if os.environ.get("KAFKA_HOME") else "embedded")
    with tempfile.TemporaryDirectory() as name, build_broker(chosen, Path(name) / "broker") as broker:
        folder = Path(name)
        bench = Bench(broker, folder)
        env = bench.environment()
        distinct = write_posts(folder / "distinct.jsonl", min(DISTINCT, posts))
        run("produce", "file", str(repeat_posts(distinct, folder / "many.jsonl", posts)), env=env)
        settings = settings_of(env)
        target = bench.environment()[f"{PREFIX}TOPICS__RAW"]
        bare = copy_bare(broker.bootstrap_servers, settings.topics.raw, target, posts)
        whole = replay(settings, "whole", Selection())
        tagged = replay(settings, "tagged", Selection(hashtags=frozenset({"poltwt"})))
        hour = settings_of(bench.environment())
        off = drift(hour, write_hour(hour))
    rows = [
        Row("replay at max, without the model", whole, "posts/s", "bare kafka-python loop", bare, whole / bare),
        Row("the same, filtered by hashtag", tagged, "posts/s", "bare kafka-python loop", bare, tagged / bare),
        Row("an hour at 60 ×: the last post is off by", off, "ms", "limit", ALLOWED_MS, off / ALLOWED_MS),
    ]
    show(rows, f"{chosen} broker, {os.cpu_count()} cores", as_json=as_json)


if __name__ == "__main__":
    main()
