"""The only functions that encode and decode messages."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from streams.contracts.dead_letters import REASONS, DeadLetter, DeadLetterOutcome, DeadMessage
from streams.contracts.gaps import Gap
from streams.contracts.locations import Headers
from streams.contracts.posts import Deletion, EnrichedMessage, EnrichedPost, Post, RawMessage
from streams.contracts.pulse import PulseMinute, Spike
from streams.contracts.repair import decode_json, without_nul
from streams.errors import BadMessage

SCHEMA_VERSION = 1
VERSION_HEADER = "tagpulse-schema"
ATTEMPTS_HEADER = "tagpulse-attempts"
REFUSED_HEADER = "tagpulse-refused"
"""`REASON: DETAIL` on a record that its reader refused although it can be decoded, such as a post from the future."""
HEADERS: tuple[tuple[str, bytes], ...] = ((VERSION_HEADER, str(SCHEMA_VERSION).encode()),)

Message = Post | Deletion | EnrichedPost | DeadLetter | DeadLetterOutcome | PulseMinute | Spike | Gap

_DETAIL_LENGTH = 300

M = TypeVar("M")

_ENCODER = msgspec.json.Encoder()
_RAW: msgspec.json.Decoder[RawMessage] = msgspec.json.Decoder(RawMessage)
_ENRICHED: msgspec.json.Decoder[EnrichedMessage] = msgspec.json.Decoder(EnrichedMessage)
_DEAD: msgspec.json.Decoder[DeadMessage] = msgspec.json.Decoder(DeadMessage)
_MINUTE: msgspec.json.Decoder[PulseMinute] = msgspec.json.Decoder(PulseMinute)
_SPIKE: msgspec.json.Decoder[Spike] = msgspec.json.Decoder(Spike)
_GAP: msgspec.json.Decoder[Gap] = msgspec.json.Decoder(Gap)
_ANY: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the message as UTF-8 JSON, with U+FFFD in place of each NUL."""
    return without_nul(_ENCODER.encode(message))


def decode_raw(value: bytes | None, headers: Headers = ()) -> RawMessage:
    """Decode a record of `posts.raw`; raise BadMessage if it cannot be read or if its reader refused it."""
    for name, content in headers or ():
        if name == REFUSED_HEADER:
            raise _refusal(content or b"")
    return _decode(_RAW, value, headers)


def decode_enriched(value: bytes | None, headers: Headers = ()) -> EnrichedMessage:
    """Decode a record of `posts.enriched`; raise BadMessage if it cannot be read."""
    return _decode(_ENRICHED, value, headers)


def decode_dead(value: bytes | None, headers: Headers = ()) -> DeadMessage:
    """Decode a record of `posts.dead`; raise BadMessage if it cannot be read."""
    return _decode(_DEAD, value, headers)


def decode_minute(value: bytes | None, headers: Headers = ()) -> PulseMinute:
    """Decode a record of `pulse.minutes`; raise BadMessage if it cannot be read."""
    return _decode(_MINUTE, value, headers)


def decode_spike(value: bytes | None, headers: Headers = ()) -> Spike:
    """Decode a record of `alerts.spikes`; raise BadMessage if it cannot be read."""
    return _decode(_SPIKE, value, headers)


def decode_gap(value: bytes | None, headers: Headers = ()) -> Gap:
    """Decode a record of `feed.gaps`; raise BadMessage if it cannot be read."""
    return _decode(_GAP, value, headers)


def decode_any(value: bytes | None, headers: Headers = ()) -> Message:
    """Decode a record of any topic; raise BadMessage if it cannot be read."""
    return _decode(_ANY, value, headers)


def _decode(decoder: msgspec.json.Decoder[M], value: bytes | None, headers: Headers) -> M:
    for name, content in headers or ():
        if name == VERSION_HEADER and not _is_known(content):
            text = repr(content)[:40]
            raise BadMessage(
                "unknown_version", f"schema version {text}; this version of tagpulse reads 1 to {SCHEMA_VERSION}"
            )
    if not value:
        raise BadMessage("empty", "the record has no value")
    try:
        message: M = decode_json(decoder, value)
    except msgspec.ValidationError as error:
        raise BadMessage("invalid", str(error)[:_DETAIL_LENGTH]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage("malformed", str(error)[:_DETAIL_LENGTH]) from None
    return message


def _is_known(version: bytes | None) -> bool:
    return version is not None and version.isdigit() and 1 <= int(version[:9]) <= SCHEMA_VERSION


def _refusal(content: bytes) -> BadMessage:
    reason, _, detail = content.decode(errors="replace").partition(": ")
    return BadMessage(reason if reason in REASONS else "invalid", detail[:_DETAIL_LENGTH] or "refused when it was read")
