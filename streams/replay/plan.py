"""The plan of a replay: the messages of each partition and the estimated duration."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

import msgspec

from models.enricher import TextEnricher
from streams.contracts import Post, decode_raw
from streams.errors import BadMessage
from streams.replay.reader import Reader
from streams.replay.selection import Selection, Selector
from streams.runtime.lossless import Record

_SAMPLE = 512


class PlannedPartition(msgspec.Struct, kw_only=True):
    """A source partition; times are in milliseconds since 1970."""

    name: str
    partition: int
    read: int = 0
    chosen: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


class ReplayPlan(msgspec.Struct, kw_only=True):
    """The plan of a replay."""

    parts: list[PlannedPartition]
    unreadable: int
    """Number of messages left out because they cannot be decoded to find their hashtags or source."""
    seconds: float
    """Estimated duration: that of the pacing or that of the model, whichever is longer."""
    posts_per_second: float
    """Throughput of the model on this machine, measured on the first posts."""

    @property
    def chosen(self) -> int:
        return sum(part.chosen for part in self.parts)


def make_plan(
    reader: Reader,
    selection: Selection,
    enricher: TextEnricher,
    *,
    speed: float,
    clock: Callable[[], float] = time.perf_counter,
) -> ReplayPlan:
    """Read all messages, and time the model on the first posts, without changing anything.

    Args:
        reader: The source of the messages.
        selection: Which messages to replay.
        enricher: The model to time.
        speed: Speed relative to real time; infinity: no pacing.
        clock: Clock for the timing, in seconds.

    Raises:
        Unavailable: The source does not answer.
        BadInput: The source cannot be read.
    """
    selector = Selector(selection)
    parts = {
        (each.topic, each.partition): PlannedPartition(name=each.topic, partition=each.partition)
        for each in reader.bounds
    }
    texts: list[str] = []
    for items in reader.items(in_time=False):
        for item in items:
            part = parts[item.topic, item.partition]
            part.read += 1
            if selector.chooses(item):
                part.chosen += 1
                part.first_ms = item.timestamp_ms if part.first_ms is None else min(part.first_ms, item.timestamp_ms)
                part.last_ms = item.timestamp_ms if part.last_ms is None else max(part.last_ms, item.timestamp_ms)
                if len(texts) < _SAMPLE:
                    texts += _texts(item)
    rate = _rate(enricher, texts, clock)
    chosen = sum(part.chosen for part in parts.values())
    starts = [part.first_ms for part in parts.values() if part.first_ms is not None]
    ends = [part.last_ms for part in parts.values() if part.last_ms is not None]
    pace = (max(ends) - min(starts)) / 1000 / speed if starts and speed != inf else 0.0
    return ReplayPlan(
        parts=list(parts.values()),
        unreadable=selector.unreadable,
        seconds=max(pace, chosen / rate if rate else 0.0),
        posts_per_second=rate,
    )


def _texts(item: Record) -> list[str]:
    try:
        message = decode_raw(item.value, item.headers)
    except BadMessage:
        return []
    return [message.text] if isinstance(message, Post) else []


def _rate(enricher: TextEnricher, texts: list[str], clock: Callable[[], float]) -> float:
    if not texts:
        return 0.0
    started = clock()
    enricher.enrich(texts)
    return len(texts) / max(clock() - started, 1e-9)
