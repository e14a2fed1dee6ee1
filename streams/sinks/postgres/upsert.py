"""Write one batch to the tables, within the caller's transaction: the SQL of the sink.

The current version of a post is the one that the lake's view shows: an edit rather than the original, then the newest
edit, then the newest enrichment. A deletion hides every version that was not edited after it, whichever arrives first;
so does an erasure. `stored_versions` records the current version and the deletion time of each post, even when no row
is left.

An advisory lock serialises the writers of a run, so that no statement here meets a row that another writer is changing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import psycopg

from streams.contracts import Deletion, EnrichedPost
from streams.runtime.lossless import Record
from streams.sinks.base import PostKey, Row
from streams.sinks.columns import CLEARED, COLUMNS, Kind
from streams.sinks.postgres.copy_text import copy_text
from streams.sinks.postgres.session import FORGET_LOCK, LOCK_CLASS

_COPIED_ROWS = 1_000
_NAMES = ", ".join(column.name for column in COLUMNS)
_EMPTY = {Kind.TEXT: "''", Kind.TEXTS: "'{}'"}
CLEAR = ", ".join(f"{column.name} = {_EMPTY[column.kind]}" for column in CLEARED)
"""Assignments that remove the text of a repost."""
_FIRST_MONTH, _MONTHS_END = date(2000, 1, 1), date(2100, 1, 1)

# Otherwise PostgreSQL reads all versions for a batch of a few thousand posts; it also keeps a plan that it made while
# the tables were small.
SESSION_SETTINGS = """
set local enable_seqscan = off;
set local enable_hashjoin = off;
set local enable_mergejoin = off;
"""

STAGING_TABLE = f"""
create temporary table if not exists staged_posts on commit delete rows as
select {_NAMES} from stored_posts limit 0
"""  # noqa: S608

_LOCK = (
    f"select pg_advisory_xact_lock_shared({LOCK_CLASS}, {FORGET_LOCK}), "
    f"pg_advisory_xact_lock(hashtextextended(%s, {LOCK_CLASS}))"
)

_COPY = f"copy staged_posts ({_NAMES}) from stdin"

_DELETED = "unnest(%(sources)s::text[], %(ids)s::text[], %(times)s::timestamptz[]) as deletion (source, id, deleted_at)"

_MARK_DELETED = f"""
insert into stored_versions as version (source, id, run, deleted_at)
select source, id, %(run)s, deleted_at from {_DELETED}
on conflict (source, id, run) do update set deleted_at = excluded.deleted_at
where version.deleted_at is null or version.deleted_at < excluded.deleted_at
"""  # noqa: S608

_REMOVE_DELETED = f"""
with gone as (
    select version.source, version.id, version.created_at
    from {_DELETED} join stored_versions version using (source, id)
    where version.run = %(run)s and version.created_at is not null
    and (version.edited_at is null or version.edited_at <= version.deleted_at)
), removed as (
    delete from stored_posts post using gone
    where post.run = %(run)s and post.created_at = gone.created_at
    and post.source = gone.source and post.id = gone.id
)
update stored_versions version
set created_at = null, edited_at = null, enriched_at = null, kafka_partition = null, kafka_offset = null
from gone where version.run = %(run)s and version.source = gone.source and version.id = gone.id
"""  # noqa: S608

_SORT_KEY = (
    "{0}.edited_at is not null, coalesce({0}.edited_at, {0}.created_at), {0}.enriched_at, "
    "-{0}.kafka_partition, {0}.kafka_offset"
)

_APPLY_VERSIONS = f"""
with known as materialized (
    select
        staged.ctid as place, staged.source, staged.id, version.created_at as replaced,
        (version.created_at is null or ({_SORT_KEY.format("staged")}) > ({_SORT_KEY.format("version")}))
        and coalesce(staged.edited_at > greatest(version.deleted_at, forgotten.forgotten_at),
            version.deleted_at is null and forgotten.forgotten_at is null)
        and original.what is distinct from 'all' as is_current,
        silent.source is not null or original.what is not distinct from 'post' as is_silent
    from staged_posts staged
    left join stored_versions version
        on version.source = staged.source and version.id = staged.id and version.run = %(run)s
    left join forgotten_posts forgotten
        on forgotten.source = staged.source and forgotten.id = staged.id and forgotten.what <> 'text'
    left join forgotten_posts silent
        on silent.source = staged.source and silent.id = staged.id and silent.what = 'text'
    left join forgotten_posts original on original.source = staged.source and original.id = staged.repost_of
    where version.source is not null or forgotten.source is not null or silent.source is not null
        or original.source is not null
), silenced as (
    update staged_posts staged set {CLEAR}
    from known where staged.ctid = known.place and known.is_current and known.is_silent
), removed as (
    delete from stored_posts post using known
    where known.is_current and post.run = %(run)s and post.created_at = known.replaced
    and post.source = known.source and post.id = known.id
)
delete from staged_posts staged using known where staged.ctid = known.place and not known.is_current
"""  # noqa: S608

_KEEP_VERSIONS = """
insert into stored_versions (source, id, run, created_at, edited_at, enriched_at, kafka_partition, kafka_offset)
select source, id, %(run)s, created_at, edited_at, enriched_at, kafka_partition, kafka_offset from staged_posts
on conflict (source, id, run) do update set
    created_at = excluded.created_at, edited_at = excluded.edited_at, enriched_at = excluded.enriched_at,
    kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset
"""

_KEEP_POSTS = f"insert into stored_posts (run, {_NAMES}) select %(run)s, {_NAMES} from staged_posts"  # noqa: S608

_KEEP_OFFSET = """
insert into stored_offsets (run, topic, kafka_partition, next_offset) values (%s, %s, %s, %s)
on conflict (run, topic, kafka_partition) do update set next_offset = excluded.next_offset, stored_at = now()
"""


class PostRecord(NamedTuple):
    """A post and its Kafka record."""

    message: EnrichedPost
    record: Record


class BatchEffect(NamedTuple):
    """The net effect of a batch: the current version of each post within the batch, and its latest deletion."""

    posts: Mapping[PostKey, PostRecord]
    deletions: Mapping[PostKey, datetime]


def reduce_batch(rows: Sequence[Row]) -> BatchEffect:
    """Reduce a batch to its net effect, whatever the order of its rows."""
    posts: dict[PostKey, PostRecord] = {}
    deletions: dict[PostKey, datetime] = {}
    for record, message in rows:
        if isinstance(message, Deletion):
            key = PostKey(message.source, message.id)
            deletions[key] = max(message.deleted_at, deletions.get(key, message.deleted_at))
            continue
        key = PostKey(message.post.source, message.post.id)
        candidate, current = PostRecord(message, record), posts.get(key)
        if current is None or _sort_key(candidate) > _sort_key(current):
            posts[key] = candidate
    return BatchEffect(posts, deletions)


def _sort_key(placed: PostRecord) -> tuple[bool, datetime, datetime, int, int]:
    (message, record), edited_at = placed, placed.message.post.edited_at
    return (
        edited_at is not None,
        edited_at or message.post.created_at,
        message.enriched_at,
        -record.partition,
        record.offset,
    )


def months_of(rows: Sequence[Row]) -> list[date]:
    """Return the first days of the months for which `make_months` must provide a table.

    Posts from before 2000 and after 2099 have tables that always exist.
    """
    months = {
        (row.message.post.created_at.year, row.message.post.created_at.month)
        for row in rows
        if isinstance(row.message, EnrichedPost)
    }
    days = (date(year, month, 1) for year, month in sorted(months))
    return [day for day in days if _FIRST_MONTH <= day < _MONTHS_END]


def lock_run(cursor: psycopg.Cursor, run: str) -> None:
    """Lock the run until the end of the transaction, against other writers and against erasures."""
    cursor.execute(_LOCK, [run])


def stage(cursor: psycopg.Cursor, folded: BatchEffect) -> None:
    """Copy the posts into the empty staging table."""
    with cursor.copy(_COPY) as lines:
        posts = list(folded.posts.values())
        for start in range(0, len(posts), _COPIED_ROWS):
            lines.write(copy_text(posts[start : start + _COPIED_ROWS]))


def upsert(cursor: psycopg.Cursor, run: str, folded: BatchEffect) -> int:
    """Apply the deletions, then the staged posts; return how many of both changed the stored data."""
    changed = 0
    names = {"run": run}
    if folded.deletions:
        values = names | {
            "sources": [key.source for key in folded.deletions],
            "ids": [key.id for key in folded.deletions],
            "times": list(folded.deletions.values()),
        }
        cursor.execute(_MARK_DELETED, values)
        changed += cursor.rowcount
        cursor.execute(_REMOVE_DELETED, values)
    if folded.posts:
        cursor.execute(_APPLY_VERSIONS, names)
        cursor.execute(_KEEP_VERSIONS, names)
        cursor.execute(_KEEP_POSTS, names)
        changed += cursor.rowcount
    return changed


def keep_offsets(cursor: psycopg.Cursor, run: str, rows: Sequence[Row]) -> None:
    """Record the progress of the run, for information only."""
    ends = {(row.record.topic, row.record.partition): row.record.offset + 1 for row in rows}
    cursor.executemany(_KEEP_OFFSET, [(run, *partition, end) for partition, end in sorted(ends.items())])
