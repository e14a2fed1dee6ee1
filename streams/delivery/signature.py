"""The signature of a request to a webhook: who has the key can tell that tagpulse sent it, just now and as it is."""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP_HEADER = "Tagpulse-Timestamp"
SIGNATURE_HEADER = "Tagpulse-Signature"
KEY_HEADER = "Idempotency-Key"
_VERSION = "v1"
MAX_AGE_SECONDS = 300


def sign(secret: str, key: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hexadecimal, of key, timestamp (seconds since 1970) and body, with dots between.

    The key is signed too, since receivers know a repetition by it: else a request that somebody caught could be sent
    again under another key, and be taken for a new message.
    """
    signed = f"{key}.{timestamp}.".encode() + body
    return f"{_VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def is_genuine(secret: str, key: str, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Whether a request was signed with this secret within the last five minutes."""
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    fresh = abs(now - int(timestamp)) <= MAX_AGE_SECONDS
    return hmac.compare_digest(sign(secret, key, int(timestamp), body).encode(), signature.encode()) and fresh
