"""Writing dead letters as a worker does, and reading them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord

from streams.contracts import HEADERS, DeadLetter, DeadLetterOutcome, decode_dead, encode
from streams.dead_letters.reader import FoundLetter
from streams.settings import Settings
from tests.helpers.posts import START, raw_posts
from tests.helpers.records import produce

FAILED_AT = datetime(2026, 6, 20, 12, tzinfo=UTC)


def send_letters(settings: Settings, count: int) -> list[bytes | None]:
    """Send `count` dead letters of records that can go back to `posts.raw`, and return the keys of the records."""
    pairs = raw_posts(range(count))
    letters = [
        DeadLetter(
            topic=settings.topics.raw,
            partition=0,
            offset=offset,
            timestamp_ms=int(START.timestamp() * 1000),
            key=key,
            value=value,
            headers=HEADERS,
            reason="enrichment_failed",
            error="RuntimeError: broken",
            attempts=1,
            failed_at=START,
        )
        for offset, (key, value) in enumerate(pairs)
    ]
    produce(settings.kafka, settings.topics.dead, [(letter.key, encode(letter)) for letter in letters])
    return [key for key, _ in pairs]


def dead_letters_of(records: Iterable[ConsumerRecord]) -> list[DeadLetter]:
    """Decode records of `posts.dead`. Fail if one of them is not a dead letter."""
    found = []
    for record in records:
        letter = decode_dead(record.value)
        assert isinstance(letter, DeadLetter)
        found.append(letter)
    return found


def found_letter(number: int = 0, outcome: str | None = None, **fields: Any) -> FoundLetter:
    """Return a letter of `dead[0]` for a record of `raw[1]`, with an outcome if one is given."""
    given_fields: dict[str, Any] = {
        "topic": "raw",
        "partition": 1,
        "offset": number,
        "timestamp_ms": 1_000 + number,
        "key": b"key",
        "value": b"value",
        "headers": (),
        "reason": "malformed",
        "error": "broken",
        "attempts": 1,
        "failed_at": FAILED_AT,
    }
    letter = DeadLetter(**given_fields | fields)
    made = None
    if outcome is not None:
        made = DeadLetterOutcome(partition=0, offset=100 + number, outcome=outcome, attempts=1, at=FAILED_AT)
    return FoundLetter(topic="dead", partition=0, offset=100 + number, letter=letter, outcome=made)
