"""Posts for tests, in the form of `posts.raw`, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streams.contracts import DeadLetter, Post, decode_dead, encode
from streams.settings import Settings
from tests.helpers.records import by_key, read_all

START = datetime(2026, 6, 20, 9, tzinfo=UTC)


def raw_posts(numbers: Iterable[int], source: str = "test") -> list[tuple[bytes, bytes]]:
    """Return the key and value of a post for each number, with four posts per second of event time."""
    posts = (
        Post(
            source=source,
            id=str(number),
            text=f"post number {number} of a fine day #poltwt",
            created_at=START + timedelta(seconds=number / 4),
            hashtags=("poltwt",),
            collected_at=START + timedelta(days=1),
        )
        for number in numbers
    )
    return [(post.key, encode(post)) for post in posts]


@dataclass(frozen=True)
class Outcome:
    """The number of records on `posts.enriched` and `posts.dead`, by key."""

    enriched: dict[bytes, int]
    dead: dict[bytes | None, int]
    reasons: set[str]

    @property
    def repeated(self) -> int:
        """Records on `posts.enriched` beyond the first of each key."""
        return sum(self.enriched.values()) - len(self.enriched)


def outcome(settings: Settings) -> Outcome:
    """Read both topics to their ends."""
    enriched = by_key(read_all(settings.kafka, settings.topics.enriched))
    messages = [(record, decode_dead(record.value)) for record in read_all(settings.kafka, settings.topics.dead)]
    letters = [letter for _, letter in messages if isinstance(letter, DeadLetter)]
    dead = [record for record, message in messages if isinstance(message, DeadLetter)]
    return Outcome(
        {key: len(records) for key, records in enriched.items()},
        {key: len(records) for key, records in by_key(dead).items()},
        {letter.reason for letter in letters},
    )
