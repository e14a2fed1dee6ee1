"""Dead letters and their outcomes."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from streams.contracts.locations import record_location
from streams.contracts.message import Int64, MessageBase, Time

_OVERHEAD = 8_192  # reserved for a letter's error, key, headers and location
_LARGE_HEADERS_BYTES = 4_096

Reason = Literal[
    "empty",  # a record without a value
    "malformed",  # the bytes are not JSON in UTF-8
    "invalid",  # JSON, but not a tagpulse message
    "unknown_version",  # written by a newer tagpulse
    "oversize",  # larger than the configured limit
    "enrichment_failed",  # the model failed on this post
    "sink_refused",  # a sink cannot store this row
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class DeadLetter(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="dead_letter"):
    """A record that could not be processed, with its original bytes."""

    _times = ("failed_at",)

    topic: str
    partition: Int64
    offset: Int64
    timestamp_ms: Int64
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    reason: str
    """One of `REASONS`; a plain string, so that older readers accept newer reasons."""
    error: str
    attempts: Int64
    failed_at: Time
    cut: bool = False
    """Whether the record was too large and was truncated; `error` says how much was kept."""

    @property
    def origin(self) -> str:
        return record_location(self.topic, self.partition, self.offset)

    def fit(self, limit: int) -> DeadLetter:
        """Return the letter without what does not fit into `limit` bytes; `error` then says what was cut."""
        key, value, headers, cut = self.key, self.value, self.headers, ""
        room = (limit - _OVERHEAD) * 3 // 4  # the value is encoded in base64
        if value is not None and len(value) > room:
            value, cut = value[:room], f"; cut to the first {room} of {len(value)} bytes"
        if len(key or b"") + sum(len(name) + len(content or b"") for name, content in headers) > _LARGE_HEADERS_BYTES:
            key, headers, cut = None, (), f"{cut}; key and headers are too large and were omitted"
        return msgspec.structs.replace(
            self, key=key, value=value, headers=headers, error=self.error + cut, cut=bool(cut)
        )


class DeadLetterOutcome(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="dead_letter_outcome"):
    """The outcome of a dead letter, written after the letter in the same partition of the same topic."""

    _times = ("at",)

    partition: Int64
    offset: Int64
    """Offset of the dead letter."""
    outcome: str
    """`retried` or `dropped`; a plain string, so that older readers accept newer outcomes."""
    attempts: Int64
    """Number of attempts recorded in the dead letter."""
    at: Time
    sent_to: str | None = None
    """Location of the record that was sent again: `topic[partition]@offset`."""


DeadMessage = DeadLetter | DeadLetterOutcome
