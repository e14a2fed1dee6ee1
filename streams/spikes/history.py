"""Reads past minutes from a file or from the lake, in the order that the detector requires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec

from models.text import prepare
from streams.contracts import FIRST_MINUTE
from streams.contracts.message import Count, Time
from streams.errors import BadInput
from streams.minutes.post import TEXT_CHARACTERS
from streams.minutes.text import fingerprint, is_repost, original
from streams.sinks.lake.query import connect
from streams.spikes.counts import MinuteCounts

_FETCHED_ROWS = 10_000

# Independent posts as in `PulseMinute`: each text and each author counts once per partition.
_LAKE_MINUTES = """
with tagged as (
    select date_trunc('minute', least(created_at, coalesce(collected_at, created_at))) as minute,
        unnest(list_distinct(hashtags)) as hashtag, kafka_partition as partition, sentiment,
        if(repost_of is null, text_fingerprint(text), '') as fingerprint, source, author, created_at,
        source || ':' || id as key
    from posts where run = $1
), with_independence as (
    select *, fingerprint <> ''
        and row_number() over (partition by minute, hashtag, partition, fingerprint order by created_at, key) = 1
        and (coalesce(author, '') = '' or row_number() over (
            partition by minute, hashtag, partition, source, author, fingerprint = '' order by created_at, key
        ) = 1) as independent
    from tagged where len($2::varchar[]) = 0 or list_contains($2::varchar[], hashtag)
), counted as (
    select minute, hashtag, count(*) as posts, count(*) filter (sentiment = 'negative') as negative,
        count(*) filter (sentiment = 'neutral') as neutral, count(*) filter (sentiment = 'positive') as positive,
        coalesce(histogram(fingerprint) filter (independent and sentiment = 'negative'), map()) as negative_texts,
        coalesce(histogram(fingerprint) filter (independent and sentiment <> 'negative'), map()) as other_texts
    from with_independence group by minute, hashtag
)
select minute, hashtag, posts, negative, neutral, positive, map_keys(negative_texts), map_keys(other_texts)
from counted order by minute, hashtag
"""


class _Line(msgspec.Struct):
    minute: Time
    hashtag: Annotated[str, msgspec.Meta(min_length=1)]
    posts: Count
    negative: Count
    neutral: Count = 0
    positive: Count = 0
    independent_posts: Count | None = None
    independent_negative: Count | None = None


def read_file(path: Path) -> Iterator[MinuteCounts]:
    """Read the minutes of a JSON Lines file that is sorted by time.

    Raises:
        BadInput: The file cannot be read or a line is invalid; names the file and the line.
    """
    try:
        with path.open("rb") as lines:
            yield from read_lines(lines, str(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


def read_lines(lines: BinaryIO | Iterable[bytes], name: str) -> Iterator[MinuteCounts]:
    """Read minutes from lines of JSON that are sorted by time; `name` identifies the input in errors.

    Raises:
        BadInput: A line is invalid.
    """
    decoder = msgspec.json.Decoder(_Line)
    newest, hashtags = FIRST_MINUTE, set[str]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = _counts(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError) as error:
            raise BadInput(f"{name}:{number}: {error}") from None
        if found.minute < newest:
            raise BadInput(f"{name}:{number}: {found.minute:%Y-%m-%dT%H:%MZ} comes after a later minute: sort by time")
        if found.minute > newest:
            newest, hashtags = found.minute, set()
        if found.hashtag in hashtags:
            raise BadInput(f"{name}:{number}: #{found.hashtag} has a second line for {found.minute:%Y-%m-%dT%H:%MZ}")
        hashtags.add(found.hashtag)
        yield found


def read_lake(lake: Path | str, run: str, hashtags: Sequence[str] = ()) -> Iterator[MinuteCounts]:
    """Read the minutes of a run's posts as they are in the lake now: with late posts and edits, without deleted posts.

    Args:
        hashtags: The hashtags to count; all if empty.

    Raises:
        BadInput: The lake cannot be read or has no such posts.
        Unavailable: The lake cannot be reached; retrying may help.
        Refused: The lake refuses the credentials or rights.
    """
    connection = connect(lake)
    connection.create_function("text_fingerprint", _fingerprint, ["VARCHAR"], "VARCHAR")
    cursor = connection.execute(_LAKE_MINUTES, [run, list(hashtags)])
    rows = cursor.fetchmany(_FETCHED_ROWS)
    if not rows:
        tags = f" with one of the campaign's hashtags ({', '.join(hashtags)})" if hashtags else ""
        raise BadInput(f"the lake {lake} holds no posts of the run {run}{tags}: `tagpulse runs list` lists its runs")
    while rows:
        yield from map(_stored, rows)
        rows = cursor.fetchmany(_FETCHED_ROWS)


def by_minute(counts: Iterable[MinuteCounts]) -> Iterator[tuple[datetime, list[MinuteCounts]]]:
    """Group counts by minute."""
    for minute, group in groupby(counts, key=lambda each: each.minute):
        yield minute, list(group)


def _fingerprint(text: str) -> str:
    """Return the fingerprint of a text, empty for a repost."""
    prepared = prepare(text)
    return "" if is_repost(prepared) else fingerprint(original(prepared)[:TEXT_CHARACTERS])


def _stored(row: tuple[Any, ...]) -> MinuteCounts:
    minute, hashtag, posts, negative, neutral, positive, negative_texts, other_texts = row
    fingerprints = dict.fromkeys(other_texts, False) | dict.fromkeys(negative_texts, True)
    return MinuteCounts(
        minute, hashtag, posts, negative, neutral, positive, len(fingerprints), sum(fingerprints.values()), fingerprints
    )


def _counts(line: _Line) -> MinuteCounts:
    # datetime.astimezone costs more than everything else here, and most times are already in UTC
    offset = line.minute.utcoffset()
    minute = line.minute if not offset else line.minute.astimezone(UTC)
    if minute.second or minute.microsecond:
        raise ValueError(f"{line.minute} is not the start of a minute")
    if minute < FIRST_MINUTE:
        raise ValueError(f"{line.minute} is before 1970")
    if line.negative + line.neutral + line.positive > line.posts:
        raise ValueError(
            f"{line.negative} negative, {line.neutral} neutral and {line.positive} positive exceed {line.posts} posts"
        )
    n, k = line.independent_posts, line.independent_negative
    if (n is None) != (k is None):
        raise ValueError("independent_posts and independent_negative must be given together")
    if n is not None and k is not None and not k <= n <= line.posts:
        raise ValueError(
            f"{k} of {n} independent posts are negative, of {line.posts} posts: the numbers contradict each other"
        )
    return MinuteCounts(minute, line.hashtag, line.posts, line.negative, line.neutral, line.positive, n, k)
