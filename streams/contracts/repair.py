"""Repairs JSON with characters that no sink can store: U+FFFD, the Unicode replacement character, replaces them."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

_NUL = rb"\u0000"
_REPLACEMENT = rb"\ufffd"
_BACKSLASH = rb"\\"
# group 1 is kept as it is: an escaped backslash, or a complete surrogate pair
_ESCAPE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decode_json(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    """Decode `value`, with U+FFFD in place of each NUL and each unpaired surrogate.

    Raises:
        msgspec.DecodeError: From `decoder`; msgspec.ValidationError is a subclass.
        UnicodeDecodeError: From `decoder`.
        RecursionError: From `decoder`.
    """
    value = without_nul(value)
    try:
        return decoder.decode(value)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if (repaired := _repaired(value)) == value:
            raise
    return decoder.decode(repaired)


def without_nul(value: bytes) -> bytes:
    """Return the JSON with U+FFFD in place of each NUL."""
    if _NUL not in value:
        return value
    return _repaired(value) if _BACKSLASH in value else value.replace(_NUL, _REPLACEMENT)


def _repaired(value: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: escape[1] or _REPLACEMENT, value)
