"""Dead letters, and what became of them."""

from __future__ import annotations

from typing import Literal, get_args

from streams.contracts.locations import record_location
from streams.contracts.message import Int64, MessageBase, Time

_OVERHEAD = 8_192  # of a letter's error, key, headers and place

Reason = Literal[
    "empty",  # a record without a value
    "malformed",  # the bytes are not JSON in UTF-8
    "invalid",  # JSON, but not one of our messages
    "unknown_version",  # written by a newer tagpulse
    "oversize",  # larger than the limit of the settings
    "enrichment_failed",  # the model raised on this post alone
    "sink_refused",  # a sink cannot hold this row
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class DeadLetter(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="dead_letter"):
    """A record that could not be handled, with its bytes untouched."""

    _times = ("failed_at",)

    topic: str
    partition: Int64
    offset: Int64
    timestamp_ms: Int64
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    reason: str
    """One of `REASONS`; a plain string, so that older readers can read newer reasons."""
    error: str
    attempts: Int64
    failed_at: Time
    cut: bool = False
    """The record did not fit: what is kept of it is not all, and `error` says how much."""

    @property
    def origin(self) -> str:
        return record_location(self.topic, self.partition, self.offset)


class DeadLetterOutcome(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="dead_letter_outcome"):
    """What became of a dead letter: it stands behind the letter, in the same partition of the same topic."""

    _times = ("at",)

    partition: Int64
    offset: Int64
    """Of the letter."""
    outcome: str
    """`retried` or `dropped`; a plain string, so that older readers can read newer outcomes."""
    attempts: Int64
    """Those of the letter."""
    at: Time
    sent_to: str | None = None
    """Where a retried record stands now: `topic[partition]@offset`."""


DeadMessage = DeadLetter | DeadLetterOutcome


def fit_dead_letter(value: bytes, limit: int) -> tuple[bytes, str]:
    """As much of a record's bytes as a dead letter of `limit` bytes can hold (in base64), and a word about a cut."""
    room = (limit - _OVERHEAD) * 3 // 4
    return (value, "") if len(value) <= room else (value[:room], f"; cut to the first {room} of {len(value)} bytes")
