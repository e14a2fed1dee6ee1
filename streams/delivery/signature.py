"""Signatures of webhook requests: a receiver with the key can verify the sender, the time and the content."""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP_HEADER = "Tagpulse-Timestamp"
SIGNATURE_HEADER = "Tagpulse-Signature"
KEY_HEADER = "Idempotency-Key"
_VERSION = "v1"
MAX_AGE_SECONDS = 300


def sign(secret: str, key: str, timestamp: int, body: bytes) -> str:
    """Return `v1=` and the hexadecimal HMAC-SHA256 of `KEY.TIMESTAMP.BODY` (timestamp in seconds since 1970).

    The key is signed too, since receivers recognise repeated messages by it: otherwise an intercepted request could be
    sent again under another key and would look like a new message.
    """
    signed = f"{key}.{timestamp}.".encode() + body
    return f"{_VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def is_genuine(secret: str, key: str, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Return whether a request was signed with this secret, at most five minutes before or after `now`."""
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    fresh = abs(now - int(timestamp)) <= MAX_AGE_SECONDS
    return hmac.compare_digest(sign(secret, key, int(timestamp), body).encode(), signature.encode()) and fresh
