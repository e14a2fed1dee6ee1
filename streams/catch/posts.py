"""Reads posts to try the topics of a campaign on, from the lake or from files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import duckdb

from streams.catch.catch import TriedPost
from streams.contracts import Post
from streams.errors import BadInput
from streams.sinks.lake.query import connect
from streams.sources.base import Unreadable
from streams.sources.files.source import FileSource

# without --since, the last day that has posts; the sample depends on the posts alone, so that two campaign files are tried on the same posts
_LAKE = """
with chosen as (
    select source, id, text, created_at from posts
    where run = $run and ($until::timestamptz is null or created_at < $until)
        and ($hashtag::varchar is null or list_contains(hashtags, $hashtag))
), spanned as (
    select * from chosen
    where created_at >= coalesce($since, (select max(created_at) from chosen) - interval 1 day)
)
select source, id, text, created_at, count(*) over (), min(created_at) over (), max(created_at) over ()
from spanned order by hash(source, id), source, id limit $most
"""


class FoundPosts(NamedTuple):
    """A sample of the posts that were found.

    Attributes:
        posts: The sample, by time in a lake and by place in files.
        found: Number of posts that it was drawn from.
        unreadable: Number of lines of files that are no posts.
        first: Time of the first post that was found; None if there is none.
        last: Time of the last one.
    """

    posts: Sequence[TriedPost]
    found: int
    unreadable: int
    first: datetime | None
    last: datetime | None


def read_lake(
    lake: Path | str, run: str, *, since: datetime | None, until: datetime | None, hashtag: str | None, most: int
) -> FoundPosts:
    """Read a sample of a run's posts as they are in the lake now.

    Args:
        lake: A folder, or the address of an object store.
        run: Name of the run.
        since: Start time (inclusive); by default a day before the newest of the posts.
        until: End time (exclusive).
        hashtag: Only posts with this hashtag.
        most: Maximum number of posts.

    Raises:
        SettingsError: There is no lake.
        BadInput: The lake cannot be read, or has no such posts.
        Unavailable, Refused: The lake cannot be reached, or refuses.
    """
    wanted = {"run": run, "since": since, "until": until, "hashtag": hashtag, "most": most}
    with connect(lake) as connection:
        try:
            rows = connection.execute(_LAKE, wanted).fetchall()
        except duckdb.Error as error:
            raise BadInput(f"the lake {lake} cannot be read: {error}") from None
    if not rows:
        raise BadInput(f"the lake {lake} holds no such posts of the run {run}: `tagpulse runs list` lists its runs")
    posts = [TriedPost(*row[:3]) for row in sorted(rows, key=lambda row: (row[3], row[0], row[1]))]
    return FoundPosts(posts, rows[0][4], 0, rows[0][5], rows[0][6])


def read_files(paths: Sequence[str], *, max_line_bytes: int, most: int) -> FoundPosts:
    """Read a sample of the posts in files of all formats that `tagpulse produce file` reads; `-` is standard input.

    Raises:
        BadInput: A file cannot be read, or there are no posts.
    """
    found, unreadable = asyncio.run(_contents(FileSource(paths, max_line_bytes=max_line_bytes)))
    if not found:
        reason = f": {unreadable[0].reason}: {unreadable[0].error}" if unreadable else ""
        raise BadInput(f"{', '.join(paths)}: no posts among {len(unreadable):,} lines{reason}")
    kept = sorted(Random(0).sample(range(len(found)), min(most, len(found))))
    posts = [TriedPost(found[index].source, found[index].id, found[index].text) for index in kept]
    times = [post.created_at for post in found]
    return FoundPosts(posts, len(found), len(unreadable), min(times), max(times))


async def _contents(source: FileSource) -> tuple[list[Post], list[Unreadable]]:
    posts: list[Post] = []
    unreadable: list[Unreadable] = []
    async for batch in source.batches():
        posts += [content for content in batch.contents if isinstance(content, Post)]
        unreadable += [content for content in batch.contents if isinstance(content, Unreadable)]
    return posts, unreadable
