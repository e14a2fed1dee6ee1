"""`tagpulse tail`: show the messages of a topic in a readable form that is safe for the terminal."""

from __future__ import annotations

import asyncio
import base64
import heapq
import itertools
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

from streams import log
from streams.contracts import (
    SEVERAL,
    DeadLetter,
    DeadLetterOutcome,
    Deletion,
    EnrichedPost,
    Gap,
    Message,
    Post,
    PulseMinute,
    Spike,
    decode_any,
    record_location,
)
from streams.errors import BadInput, BadMessage
from streams.kafka import connection
from streams.kafka.reader import end_offsets, open_reader, partitions_of, read_until
from streams.processes.signals import on_stop
from streams.settings import load_settings
from streams.text.terminal import json_text, plain

_DEFAULT_COUNT = 10
_POLL_MS = 500
_PREVIEW_BYTES = 200
_COLOURS = {"negative": "red", "neutral": "white", "positive": "green"}


@click.command("tail")
@click.argument("topic")
@click.option("--from-start", is_flag=True, help="Start with the oldest messages instead of the latest.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(0),
    help=f"Start with the last N messages (default {_DEFAULT_COUNT}); with --from-start: show the first N and exit.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per message, one per line.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for new messages.")
def command(topic: str, from_start: bool, count: int | None, as_json: bool, follow: bool) -> None:
    """Show the messages of a topic in readable form, and follow new ones until Ctrl-C.

    The command reads without a consumer group, so it does not affect the workers. Messages are in order only within
    each partition. Terminal control characters are shown as escape sequences.

    \b
    Examples:
      tagpulse tail posts.enriched
      tagpulse tail posts.dead --from-start --no-follow
      tagpulse tail posts.enriched -n 100 --no-follow --json | jq .message.sentiment.label
    """
    settings = load_settings()
    log.configure(settings.log)
    asyncio.run(connection.probe(settings.kafka, topics=[topic]))
    on_stop(_exit_at_once)
    with open_reader(settings.kafka) as consumer:
        try:
            for record in _records(consumer, topic, from_start, count, follow):
                click.echo(as_object(record) if as_json else as_line(record))
        except BrokenPipeError:  # the reader of the output, e.g. head, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_at_once() -> None:
    # an exception would be raised inside kafka-python, which sometimes loses it; all output has been flushed
    os._exit(0)


def as_line(record: ConsumerRecord) -> str:
    """Format a record as a line of text with its location, time and content."""
    at = record_location(record.topic, record.partition, record.offset)
    try:
        message = decode_any(record.value, record.headers)
    except BadMessage as error:
        return f"{at}  {_time(record)}  unreadable ({plain(str(error))})  {_preview(record.value)}"
    return f"{at}  {_time(record)}  {_describe(message)}"


def as_object(record: ConsumerRecord) -> str:
    """Format a record as JSON: with the decoded `message`, or else with `error` and the bytes in `value_base64`."""
    found: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
        "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
    }
    try:
        found["message"] = msgspec.to_builtins(decode_any(record.value, record.headers))
    except BadMessage as error:
        found["error"] = str(error)
        found["value_base64"] = None if record.value is None else base64.b64encode(record.value).decode()
    return json_text(found)


def _describe(message: Message) -> str:
    match message:
        case Post():
            return f"{_author(message)}  {plain(message.text)}"
        case Deletion():
            return f"{plain(message.source)}:{plain(message.id)}  deleted"
        case EnrichedPost(post=post, sentiment=sentiment):
            mood = f"{sentiment.label} {getattr(sentiment, sentiment.label):.2f}"
            labels = [plain(label.name) for name in SEVERAL for label in getattr(message, name)]
            if message.campaign.name:
                labels.append(f"campaign:{plain(message.campaign.name)}")
            about = f" [{', '.join(labels)}]" if labels else ""
            language = plain(message.language.code)
            return f"{click.style(mood, fg=_COLOURS[sentiment.label])}  {language}{about}  {_author(post)}  {plain(post.text)}"
        case DeadLetter():
            what = f"{plain(message.reason)} at {plain(message.origin)} after {message.attempts} attempts"
            return f"{what}: {plain(message.error)}  {_preview(message.value)}"
        case DeadLetterOutcome():
            sent = f" to {plain(message.sent_to)}" if message.sent_to else ""
            return f"the dead letter [{message.partition}]@{message.offset} was {plain(message.outcome)}{sent}"
        case PulseMinute(sentiments=sentiments):
            counts = f"{sentiments.negative} negative, {sentiments.neutral} neutral, {sentiments.positive} positive"
            return f"#{plain(message.hashtag)} {message.minute:%Y-%m-%d %H:%M}  {counts}"
        case Spike():
            since = f"{message.opened_at:%Y-%m-%d %H:%M}"
            return f"#{plain(message.hashtag)} {message.kind} {message.state} since {since}: {plain(message.explanation.summary)}"

        case Gap(since=started):
            began = f"{started:%Y-%m-%d %H:%M}" if started else "unknown"
            return f"gap in the feed of {plain(message.origin)} since {began}: {plain(message.reason)}"


def _author(post: Post) -> str:
    kind = " (repost)" if post.repost_of else " (reply)" if post.reply_to else ""
    return f"{plain(post.source)}:{plain(post.id)} @{plain(post.author)}{kind}"


def _time(record: ConsumerRecord) -> str:
    try:
        return datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{record.timestamp} ms"


def _preview(value: bytes | None) -> str:
    """Return the size and the first bytes of a value that cannot be decoded."""
    if value is None:
        return "no value"
    text = plain(value[:_PREVIEW_BYTES].decode(errors="backslashreplace"))
    return f"{len(value)} bytes: {text}{'…' if len(value) > _PREVIEW_BYTES else ''}"


def _records(
    consumer: KafkaConsumer, topic: str, from_start: bool, count: int | None, follow: bool
) -> Iterator[ConsumerRecord]:
    partitions = partitions_of(consumer, topic)
    if not partitions:
        raise BadInput(f"there is no topic {topic}: `tagpulse topics list` lists the topics")
    ends = end_offsets(consumer, partitions)
    starts = consumer.beginning_offsets(partitions)
    last = _DEFAULT_COUNT if count is None else count
    for at in partitions:
        consumer.seek(at, starts[at] if from_start else max(starts[at], ends[at] - last))
    if from_start:
        existing = read_until(consumer, ends)
        yield from existing if count is None else itertools.islice(existing, count)
        if count is not None:
            return
    elif last:
        yield from _merge(read_until(consumer, ends))[-last:]
    while follow:
        yield from _poll(consumer)


def _merge(records: Iterator[ConsumerRecord]) -> list[ConsumerRecord]:
    """Merge the records of all partitions by time, keeping the order within each partition."""
    partitions: dict[int, list[ConsumerRecord]] = {}
    for record in records:
        partitions.setdefault(record.partition, []).append(record)
    return list(heapq.merge(*partitions.values(), key=lambda record: record.timestamp))


def _poll(consumer: KafkaConsumer) -> Iterator[ConsumerRecord]:
    for records in consumer.poll(timeout_ms=_POLL_MS).values():
        yield from records
