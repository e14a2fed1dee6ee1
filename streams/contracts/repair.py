"""JSON with characters that no sink can hold: U+FFFD, Unicode's sign for what cannot be shown, takes their place."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

_NUL = rb"\u0000"
_SIGN = rb"\ufffd"
_BACKSLASH = rb"\\"
# what is to stay comes first: an escaped backslash, and both halves of a surrogate pair
_ESCAPE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decode_json(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    """What `decoder` reads in `value`, with U+FFFD for each NUL and each half of a surrogate pair that stands alone.

    Raises what `decoder` raises.
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
    """The JSON with U+FFFD for each NUL."""
    if _NUL not in value:
        return value
    return _repaired(value) if _BACKSLASH in value else value.replace(_NUL, _SIGN)


def _repaired(value: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: escape[1] or _SIGN, value)
