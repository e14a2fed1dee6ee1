"""The folder layout and file names of the lake; files with other names are neither read nor removed.

    posts/run=RUN/date=2026-06-20/hour=09/      posts collected within a week of their creation
    posts/run=RUN/date=2026-06-01/hour=month/   posts collected within two years of their creation
    posts/run=RUN/date=2006-01-01/hour=year/    all other posts from 2000 to 2099
    posts/run=RUN/date=0001-01-01/hour=earlier/ posts from before 2000
    posts/run=RUN/date=2100-01-01/hour=later/   posts from after 2099
    deletions/run=RUN/…                         like posts, but by month, because their collection time is unknown
    spikes/run=RUN/date=2026-06-20/             spikes by the day on which they opened
    forgotten/                                  erasure records of all runs

The folder of a record depends only on the record, so a record that arrives twice maps to the same folder. A flush
writes a bounded number of files, however widely the creation times of old posts are spread.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from streams.contracts import EnrichedMessage, EnrichedPost, Spike

POSTS = "posts"
DELETIONS = "deletions"
FORGOTTEN = "forgotten"
SPIKES = "spikes"
KINDS = (POSTS, DELETIONS, FORGOTTEN, SPIKES)

_HOURS_PER_DAY = 24
_MAX_AGE_HOURLY = timedelta(days=7)
_MAX_AGE_MONTHLY = timedelta(days=731)
_CENTURY_START, _CENTURY_END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MIN_TIME, _MAX_TIME = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_RUN, _DATE = r"run=(?P<run>[a-z0-9][a-z0-9_-]{0,39})", r"date=(?P<date>\d{4}-\d\d-\d\d)"
_SPAN = r"(?P<topic>[A-Za-z0-9._-]+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)(?:\.\d+|\.r[0-9a-f]{8})?\.parquet"
_FILE_PATTERNS = [
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?P<folder>(?P<kind>{POSTS}|{DELETIONS})/{_RUN}/{_DATE}/hour=(?P<hour>\d\d|[a-z]+))/{_SPAN}",
        rf"(?P<folder>(?P<kind>{SPIKES})/{_RUN}/{_DATE})/spike-[0-9a-f]{{32}}\.parquet",
        rf"(?P<folder>(?P<kind>{FORGOTTEN}))/forgotten-[0-9a-f]{{32}}\.parquet",
    )
]


class Span(NamedTuple):
    """A range of offsets in a partition, both ends included; a file holds the rows of its folder within its span."""

    topic: str
    partition: int
    first: int
    last: int

    def file_name(self, copy: int = 0) -> str:
        """Return the file name; `copy` distinguishes files with equal offsets, as a recreated topic reuses offsets."""
        suffix = f".{copy}" if copy else ""
        return f"{self.topic}-{self.partition}-{self.first:012}-{self.last:012}{suffix}.parquet"

    def rewritten_name(self) -> str:
        """Return a unique file name, so that even after a crash no rewrite overwrites another."""
        return f"{self.topic}-{self.partition}-{self.first:012}-{self.last:012}.r{secrets.token_hex(4)}.parquet"

    def overlaps(self, other: Span) -> bool:
        same = (self.topic, self.partition) == (other.topic, other.partition)
        return same and self.first <= other.last and other.first <= self.last


class LakeFile(NamedTuple):
    """A file of the lake; its name is relative to the root of the lake."""

    name: str
    folder: str
    kind: str
    run: str = ""
    """Empty if the file belongs to all runs."""
    start: datetime = _MIN_TIME
    """Earliest event time that the file can hold."""
    end: datetime = _MAX_TIME
    """End of the event times that the file can hold (exclusive)."""
    span: Span = Span("", 0, 0, 0)
    """Set for posts and deletions only."""

    @property
    def is_hour(self) -> bool:
        """Whether the folder of the file covers a single hour rather than a longer period."""
        return self.end - self.start <= timedelta(hours=1)


def folder_of(message: EnrichedMessage, run: str) -> str:
    """Return the folder of a post or deletion."""
    if not isinstance(message, EnrichedPost):
        return _folder(DELETIONS, run, message.deleted_at.date(), "month")
    post = message.post
    at, age = post.created_at, abs((post.collected_at or message.enriched_at) - post.created_at)
    hour = f"{at.hour:02}" if age <= _MAX_AGE_HOURLY else "month" if age <= _MAX_AGE_MONTHLY else "year"
    return _folder(POSTS, run, at.date(), hour)


@lru_cache(maxsize=1_024)  # a worker sees posts of few hours, and building a name costs more than the rest of a row
def _folder(kind: str, run: str, day: date, hour: str) -> str:
    if day < _CENTURY_START.date():
        day, hour = date.min, "earlier"
    elif day >= _CENTURY_END.date():
        day, hour = _CENTURY_END.date(), "later"
    elif hour == "month":
        day = day.replace(day=1)
    elif hour == "year":
        day = day.replace(month=1, day=1)
    return f"{kind}/run={run}/date={day.isoformat()}/hour={hour}"


def folder_of_spike(spike: Spike, run: str) -> str:
    """Return the folder of the messages about a spike."""
    return f"{SPIKES}/run={run}/date={spike.opened_at.date().isoformat()}"


def parse(name: str) -> LakeFile | None:
    """Parse a file name; return None if tagpulse never writes such a name."""
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _FILE_PATTERNS)), None)
    if match is None:
        return None
    found = match.groupdict()
    if found["kind"] == FORGOTTEN:
        return LakeFile(name, found["folder"], FORGOTTEN)
    period = _period(found["date"], found.get("hour", "day"))
    if period is None:
        return None
    fields = (name, found["folder"], found["kind"], found["run"], *period)
    if found["kind"] == SPIKES:
        return LakeFile(*fields)
    return LakeFile(*fields, Span(found["topic"], int(found["partition"]), int(found["first"]), int(found["last"])))


@lru_cache(maxsize=8_192)
def _period(day: str, hour: str) -> tuple[datetime, datetime] | None:
    """Return the start and end (exclusive) of a folder, or None for a folder that tagpulse never creates."""
    try:
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return None
    if hour == "day":
        return start, start + min(timedelta(days=1), _MAX_TIME - start)
    if hour == "earlier":
        return (start, _CENTURY_START) if start == _MIN_TIME else None
    if hour == "later":
        return (start, _MAX_TIME) if start == _CENTURY_END else None
    if not _CENTURY_START <= start < _CENTURY_END:
        return None
    if hour.isdecimal():
        start += timedelta(hours=int(hour))
        return (start, start + timedelta(hours=1)) if int(hour) < _HOURS_PER_DAY else None
    if hour == "month" and start.day == 1:
        return start, (start + timedelta(days=31)).replace(day=1)
    if hour == "year" and (start.month, start.day) == (1, 1):
        return start, start.replace(year=start.year + 1)
    return None
