"""Convert posts to lines of the text format of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from streams.sinks.columns import COLUMNS, Kind, values_of

NULL = r"\N"


def copy_text(rows: Sequence[object]) -> bytes:
    """Return a line for each row, with its values in the order of `COLUMNS`.

    Args:
        rows: Objects with the attributes `record` and `message`.

    Raises:
        UnicodeEncodeError: A text cannot be encoded as UTF-8.
    """
    texts = [
        [NULL if value is None else to_text(value) for value in values]
        for to_text, values in zip(_TO_TEXT, values_of(COLUMNS, rows), strict=True)
    ]
    return "".join([f"{line}\n" for line in map("\t".join, zip(*texts, strict=True))]).encode()


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _texts(values: Sequence[str]) -> str:
    if not values:
        return "{}"
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return _text('{"' + '","'.join(quoted) + '"}')


def _numbers(values: Sequence[float]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _json(value: object) -> str:
    return _text(msgspec.json.encode(value).decode())


_FUNCTIONS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _text,
    Kind.TEXTS: _texts,
    Kind.NUMBERS: _numbers,
    Kind.SCORES: _json,
    Kind.TIME: msgspec.to_builtins,  # ten times as fast as `isoformat`
}
_TO_TEXT = [_FUNCTIONS.get(column.kind, str) for column in COLUMNS]
