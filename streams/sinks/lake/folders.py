"""The folders of the lake, and the names by which tagpulse knows its own files; others are neither read nor removed.

    posts/run=RUN/date=2026-06-20/hour=09/      posts that were collected within a week of their time
    posts/run=RUN/date=2026-06-01/hour=month/   within two years
    posts/run=RUN/date=2006-01-01/hour=year/    others from 2000 to 2099
    posts/run=RUN/date=0001-01-01/hour=earlier/ before 2000, and date=2100-01-01/hour=later/ after 2099
    deletions/run=RUN/…                         as posts, by month: nobody says when they were collected
    spikes/run=RUN/date=2026-06-20/             by the day on which they opened
    forgotten/                                  of all runs

Where a record belongs depends on the record alone, so that it is found again when it comes twice. However far the times of
old posts are spread, a flush makes a bounded number of files.
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

_HOURS = 24
_HOURLY = timedelta(days=7)
_MONTHLY = timedelta(days=731)
_BEGIN, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_RUN, _DATE = r"run=(?P<run>[a-z0-9][a-z0-9_-]{0,39})", r"date=(?P<date>\d{4}-\d\d-\d\d)"
_SPAN = r"(?P<topic>[A-Za-z0-9._-]+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)(?:\.\d+|\.r[0-9a-f]{8})?\.parquet"
_OURS = [
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?P<folder>(?P<kind>{POSTS}|{DELETIONS})/{_RUN}/{_DATE}/hour=(?P<hour>\d\d|[a-z]+))/{_SPAN}",
        rf"(?P<folder>(?P<kind>{SPIKES})/{_RUN}/{_DATE})/spike-[0-9a-f]{{32}}\.parquet",
        rf"(?P<folder>(?P<kind>{FORGOTTEN}))/forgotten-[0-9a-f]{{32}}\.parquet",
    )
]


class Span(NamedTuple):
    """All rows of one folder that stand in this stretch of a partition, both ends included."""

    topic: str
    partition: int
    first: int
    last: int

    def file_name(self, copy: int = 0) -> str:
        """`copy` tells files apart that hold the same offsets of a topic that was deleted and made anew."""
        suffix = f".{copy}" if copy else ""
        return f"{self.topic}-{self.partition}-{self.first:012}-{self.last:012}{suffix}.parquet"

    def rewritten_name(self) -> str:
        """A name that no other file has or had: a crash must not let two rewrites meet in one file."""
        return f"{self.topic}-{self.partition}-{self.first:012}-{self.last:012}.r{secrets.token_hex(4)}.parquet"

    def overlaps(self, other: Span) -> bool:
        same = (self.topic, self.partition) == (other.topic, other.partition)
        return same and self.first <= other.last and other.first <= self.last


class LakeFile(NamedTuple):
    """A file of ours, by its name from the lake's own folder on."""

    name: str
    folder: str
    kind: str
    run: str = ""
    """Empty where it is of all runs."""
    start: datetime = _FIRST
    """What it holds is of this event time and later."""
    end: datetime = _LAST
    """And before this."""
    span: Span = Span("", 0, 0, 0)
    """Of posts and deletions."""

    @property
    def is_hour(self) -> bool:
        """Whether its folder holds an hour, and not a longer stretch."""
        return self.end - self.start <= timedelta(hours=1)


def folder_of(message: EnrichedMessage, run: str) -> str:
    """Where a post or a deletion belongs."""
    if not isinstance(message, EnrichedPost):
        return _folder(DELETIONS, run, message.deleted_at.date(), "month")
    post = message.post
    at, age = post.created_at, abs((post.collected_at or message.enriched_at) - post.created_at)
    hour = f"{at.hour:02}" if age <= _HOURLY else "month" if age <= _MONTHLY else "year"
    return _folder(POSTS, run, at.date(), hour)


@lru_cache(maxsize=1_024)  # a worker has posts of few hours, and a name costs more than the rest of its row
def _folder(kind: str, run: str, day: date, hour: str) -> str:
    if day < _BEGIN.date():
        day, hour = date.min, "earlier"
    elif day >= _END.date():
        day, hour = _END.date(), "later"
    elif hour == "month":
        day = day.replace(day=1)
    elif hour == "year":
        day = day.replace(month=1, day=1)
    return f"{kind}/run={run}/date={day.isoformat()}/hour={hour}"


def folder_of_spike(spike: Spike, run: str) -> str:
    """Where the messages about a spike belong."""
    return f"{SPIKES}/run={run}/date={spike.opened_at.date().isoformat()}"


def parse(name: str) -> LakeFile | None:
    """The file that has this name, None for one that tagpulse never writes."""
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _OURS)), None)
    if match is None:
        return None
    found = match.groupdict()
    if found["kind"] == FORGOTTEN:
        return LakeFile(name, found["folder"], FORGOTTEN)
    stretch = _stretch(found["date"], found.get("hour", "day"))
    if stretch is None:
        return None
    place = (name, found["folder"], found["kind"], found["run"], *stretch)
    if found["kind"] == SPIKES:
        return LakeFile(*place)
    return LakeFile(*place, Span(found["topic"], int(found["partition"]), int(found["first"]), int(found["last"])))


@lru_cache(maxsize=8_192)
def _stretch(day: str, hour: str) -> tuple[datetime, datetime] | None:
    """From when on, and until when; None for folders that are never made."""
    try:
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return None
    if hour == "day":
        return start, start + min(timedelta(days=1), _LAST - start)
    if hour == "earlier":
        return (start, _BEGIN) if start == _FIRST else None
    if hour == "later":
        return (start, _LAST) if start == _END else None
    if not _BEGIN <= start < _END:
        return None
    if hour.isdecimal():
        start += timedelta(hours=int(hour))
        return (start, start + timedelta(hours=1)) if int(hour) < _HOURS else None
    if hour == "month" and start.day == 1:
        return start, (start + timedelta(days=31)).replace(day=1)
    if hour == "year" and (start.month, start.day) == (1, 1):
        return start, start.replace(year=start.year + 1)
    return None
