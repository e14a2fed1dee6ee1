"""The bare peers that the pipeline is compared with: the same work with only a client library.

Each runs in its own process, `python benchmarks/peers.py copy|produce|enrich …`, and prints the posts a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaProducer

from models.enricher import Enricher

BATCH = 256


def produce(bootstrap: str, topic: str, path: str) -> float:
    """Send every line of a file with kafka-python, wait for all confirmations, and return the lines a second."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", linger_ms=20, acks="all")
    started = time.perf_counter()
    sent = 0
    with Path(path).open("rb") as lines:
        for line in lines:
            producer.send(topic, line, key=b"%d" % sent)
            sent += 1
    producer.flush()
    rate = sent / (time.perf_counter() - started)
    producer.close()
    return rate


async def copy(bootstrap: str, source: str, target: str, number: int) -> float:
    """Copy a topic to another with aiokafka, with one commit per batch, and return the records a second.

    The first batch is not timed.
    """
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        group_id=f"copy-{time.time_ns()}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
        rebalance_timeout_ms=3_000,
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", acks="all", linger_ms=5)
    await consumer.start()
    await producer.start()
    copied, started, first = 0, 0.0, 0
    while copied < number:
        batches = await consumer.getmany(timeout_ms=1_000, max_records=4 * BATCH)
        futures = [
            await producer.send(target, record.value, record.key, timestamp_ms=record.timestamp)
            for records in batches.values()
            for record in records
        ]
        await asyncio.gather(*futures)
        await consumer.commit()
        copied += len(futures)
        if futures and not started:
            started, first = time.perf_counter(), copied
    rate = (copied - first) / (time.perf_counter() - started)
    await consumer.stop()
    await producer.stop()
    return rate


def enrich(path: str, threads: int) -> float:
    """Enrich the texts of a file of posts in batches, as the worker does, with a cold cache; return the posts a second."""
    with Path(path).open("rb") as lines:
        texts = [msgspec.json.decode(line)["text"] for line in lines]
    enricher = Enricher.load(threads=threads)
    enricher.enrich(["the first answer is not timed"])
    started = time.perf_counter()
    for start in range(0, len(texts), BATCH):
        enricher.enrich(texts[start : start + BATCH])
    return len(texts) / (time.perf_counter() - started)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["produce", bootstrap, topic, path]:
            print(produce(bootstrap, topic, path))
        case ["copy", bootstrap, source, target, number]:
            print(asyncio.run(copy(bootstrap, source, target, int(number))))
        case ["enrich", path, threads]:
            print(enrich(path, int(threads)))
        case _:
            sys.exit(__doc__)
