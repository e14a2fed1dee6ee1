"""Converts the rows of CSV and TSV files to Posts, by a mapping of columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec

from streams.contracts import Post, Reason, normalise_hashtags, utc_now
from streams.errors import BadInput
from streams.sources.base import Content, Unreadable
from streams.sources.files.jsonl import with_hashtags
from streams.sources.files.lines import Line
from streams.sources.times import check_past, parse_time, tweet_time

FIELDS = ("id", "text", "created_at", "source", "author", "hashtags", "language_hint", "reply_to", "repost_of", "url")
"""The fields of a post that a column can be mapped to."""

_DELIMITERS = ",\t;"
_ERROR_CHARACTERS = 300
_ADVICE = {
    "id": "name it with --column id=NAME",
    "text": "name it with --column text=NAME",
    "created_at": "name it with --created-at-column NAME, or read the times from tweet ids with --times-from-tweet-ids",
    "source": "name it with --column source=NAME, or give the same one to all rows with --source-name NAME",
}

Emit = Callable[[list[Content], int], None]
"""Callback that receives contents and the number of the last line that they came from."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The mapping from the columns of a table to the fields of a post."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    """Column name by field of the post; a column named like a field needs no entry."""
    source: str | None = None
    """Source of all rows, used instead of a column."""
    times_from_tweet_ids: bool = False
    """Whether to take the time of a post from its id, which must be a tweet id."""


def parse_table(
    blocks: Iterable[list[Line]],
    columns: Columns,
    origin: str,
    limit: int,
    emit: Emit,
    after: int = 0,
    now: Callable[[], datetime] = utc_now,
) -> None:
    """Parse a table with a header. The number of a row is that of its last line.

    The delimiter is whichever of comma, tab and semicolon is the most frequent in the header.

    Args:
        blocks: Lines of the table.
        columns: Mapping of the columns.
        origin: Where the table was read from.
        limit: Maximum field size in characters, which bounds what an unclosed quote can swallow.
        emit: Called with the rows of each block.
        after: Rows up to this line are left out.
        now: Returns the current time; times more than a minute after it are rejected.

    Raises:
        BadInput: A column is missing.
    """
    csv.field_size_limit(limit)
    _Table(columns, origin, emit, after, now).read(blocks)


class _Table:
    def __init__(self, columns: Columns, origin: str, emit: Emit, after: int, now: Callable[[], datetime]) -> None:
        self._columns = columns
        self._origin = origin
        self._emit = emit
        self._after = after
        self._now = now
        self._row: list[Line] = []
        self._found: list[Content] = []
        self._number = 0
        self._header: list[str] = []
        self._column_index: dict[str, int] = {}

    def read(self, blocks: Iterable[list[Line]]) -> None:
        lines = self._feed(blocks)
        first = next(lines, "").removeprefix("\ufeff")
        if not first.strip():
            return
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True)
        self._read_header(next(reader))
        self._row.clear()
        while True:
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                self._reject("malformed", str(error))
            else:
                if row:
                    self._parse(row)
            self._row.clear()
        self._emit(self._found, self._number)

    def _feed(self, blocks: Iterable[list[Line]]) -> Iterator[str]:
        for block in blocks:
            for line in block:
                if line.cut:
                    error = f"a line of {len(line.value) + line.cut} bytes, cut to {len(line.value)}"
                    self._found.append(Unreadable(self._origin, line.number, line.value, "oversize", error))
                    continue
                self._row.append(line)
                yield line.value.decode("utf-8", "surrogateescape") + "\n"
            # do not hold rows back until the next block: on standard input that can take a long time
            self._emit(self._found, self._number)
            self._found = []

    def _read_header(self, header: list[str]) -> None:
        self._header = [name.strip() for name in header]
        lower = {name.lower().replace(" ", "_"): index for index, name in reversed(list(enumerate(self._header)))}
        self._column_index = {name: lower[name] for name in FIELDS if name in lower}
        for name, column in self._columns.mapping.items():
            if column.strip() not in self._header:
                raise BadInput(f"{self._origin}: no column {column!r} for {name}; the columns are {self._names()}")
            self._column_index[name] = self._header.index(column.strip())
        needed = {"id", "text"}
        if self._columns.source is None:
            needed.add("source")
        if not self._columns.times_from_tweet_ids:
            needed.add("created_at")
        for name in sorted(needed - self._column_index.keys()):
            raise BadInput(f"{self._origin}: no column for {name}: {_ADVICE[name]}; the columns are {self._names()}")

    def _names(self) -> str:
        return ", ".join(map(repr, self._header))

    def _parse(self, row: list[str]) -> None:
        if len(row) < len(self._header) or any(row[len(self._header) :]):
            self._reject("invalid", f"{len(row)} columns, but the header has {len(self._header)}")
            return
        try:
            self._add(with_hashtags(self._post(row)) if "hashtags" not in self._column_index else self._post(row))
        except (ValueError, OverflowError) as error:  # msgspec.ValidationError and UnicodeEncodeError are ValueErrors
            kind: Reason = "malformed" if isinstance(error, UnicodeError) else "invalid"
            self._reject(kind, "not UTF-8" if isinstance(error, UnicodeError) else str(error))

    def _post(self, row: list[str]) -> Post:
        fields: dict[str, Any] = {
            name: row[index].replace("\0", "\ufffd") for name, index in self._column_index.items() if row[index].strip()
        }
        for value in fields.values():
            value.encode()  # fails for bytes that were not UTF-8
        for name in fields.keys() - {"text"}:
            fields[name] = fields[name].strip()
        fields.setdefault("text", "")
        if self._columns.source is not None:
            fields["source"] = self._columns.source
        if self._columns.times_from_tweet_ids:
            fields["created_at"] = tweet_time(fields.get("id", ""))
        elif "created_at" in fields:
            fields["created_at"] = parse_time(fields["created_at"])
        if "hashtags" in fields:
            fields["hashtags"] = normalise_hashtags(re.split(r"[\s,;|]+", fields["hashtags"]))
        post = msgspec.convert(fields, Post)
        check_past(post, self._now())
        return post

    def _add(self, content: Content) -> None:
        self._number = self._row[-1].number
        if self._number > self._after:
            self._found.append(content)

    def _reject(self, reason: Reason, error: str) -> None:
        value = b"\n".join(line.value for line in self._row)
        number = self._row[-1].number
        self._add(Unreadable(self._origin, number, value, reason, error[:_ERROR_CHARACTERS]))
