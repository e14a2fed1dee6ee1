"""Remove runs, forgotten posts, and months past their retention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg import sql

from streams.sinks.base import EXTRA_DELETION_RETENTION, Erasure, Forgotten, PostKey
from streams.sinks.postgres.faults import translated_errors
from streams.sinks.postgres.session import FORGET_LOCK, LOCK_CLASS
from streams.sinks.postgres.spikes import forget_in_spikes
from streams.sinks.postgres.upsert import CLEAR, lock_run
from streams.sinks.reposts import id_prefixes, text_pattern

_LOCK_ALL = f"select pg_advisory_xact_lock({LOCK_CLASS}, {FORGET_LOCK})"

_FIND = """
with requested as (
    select source, id from stored_posts
    where (source, author) in (select * from unnest(%(networks)s::text[], %(authors)s::text[]))
    union select * from unnest(%(sources)s::text[], %(ids)s::text[])
)
select 'posts', source, id from stored_posts where (source, id) in (select source, id from requested)
union select 'reposts', source, id from stored_posts post
where (source, id) not in (select source, id from requested) and (
    (source, repost_of) in (select source, id from requested)
    or exists (
        select from unnest(%(prefixed)s::text[], %(prefixes)s::text[]) as original (source, prefix)
        where original.source = post.source and starts_with(post.repost_of, original.prefix)
    )
    or source = any(%(networks)s::text[]) and text ~* %(pattern)s
)
"""

# Also records keys that no run contains yet, as their posts may be read later.
_FORGET = """
with wanted as (
    select * from unnest(%(sources)s::text[], %(ids)s::text[]) as wanted (source, id)
), versions as (
    delete from stored_versions version using wanted
    where version.source = wanted.source and version.id = wanted.id
    returning version.run, version.source, version.id, version.created_at, version.deleted_at
), kept as (
    insert into forgotten_posts (source, id, forgotten_at, what)
    select source, id, greatest(now(), (
        select max(deleted_at) from versions where (versions.source, versions.id) = (wanted.source, wanted.id)
    )), %(what)s from wanted
    on conflict (source, id) do update set
        forgotten_at = greatest(forgotten_posts.forgotten_at, excluded.forgotten_at),
        what = least(forgotten_posts.what, excluded.what)
)
delete from stored_posts post using versions
where post.run = versions.run and post.created_at = versions.created_at
and post.source = versions.source and post.id = versions.id
"""
_CLEAR = f"""
with wanted as (
    select * from unnest(%(sources)s::text[], %(ids)s::text[]) as wanted (source, id)
), kept as (
    insert into forgotten_posts (source, id, forgotten_at, what) select source, id, now(), 'text' from wanted
    on conflict (source, id) do nothing
)
update stored_posts post set {CLEAR}
from wanted where post.source = wanted.source and post.id = wanted.id
"""  # noqa: S608

_MONTHS = """
select child.relname, pg_get_expr(child.relpartbound, child.oid), pg_total_relation_size(child.oid)
from pg_inherits join pg_class child on child.oid = inhrelid
where inhparent = 'stored_posts'::regclass
order by 1
"""
_YEARS_BY_MONTH = 2  # older posts may share a table with their whole year: see `make_months`
_BEFORE_2000 = "stored_posts_before_2000"

_DROP_VERSIONS = """
delete from stored_versions version using {} post
where version.source = post.source and version.id = post.id and version.run = post.run and version.deleted_at is null
"""
_KEEP_DELETIONS = """
update stored_versions version
set created_at = null, edited_at = null, enriched_at = null, kafka_partition = null, kafka_offset = null
from {} post where version.source = post.source and version.id = post.id and version.run = post.run
"""
_COUNT_DELETIONS = "select count(*) from stored_versions where created_at is null and deleted_at < %s"
_DROP_DELETIONS = "delete from stored_versions where created_at is null and deleted_at < %s"
_UPPER_BOUND = re.compile(r"TO \('([^']+)'\)")


class Month(NamedTuple):
    """A table whose posts are all past their retention; `until` is the end of its period (exclusive)."""

    table: str
    until: datetime
    posts: int
    size_bytes: int


def runs(connection: psycopg.Connection) -> Mapping[str, int]:
    """Return the number of posts of each run."""
    return dict(connection.execute("select run, count(*) from stored_posts group by run order by run").fetchall())


def drop_run(connection: psycopg.Connection, run: str) -> int:
    """Remove a run and its progress, and return the number of posts it had."""
    with connection.transaction(), connection.cursor() as cursor:
        lock_run(cursor, run)
        removed = cursor.execute("delete from stored_posts where run = %s", [run]).rowcount
        cursor.execute("delete from stored_versions where run = %s", [run])
        cursor.execute("delete from stored_offsets where run = %s", [run])
        cursor.execute("delete from stored_spikes where run = %s", [run])
        return removed


def find(connection: psycopg.Connection, wanted: Erasure) -> Forgotten:
    """Return the posts and reposts of all runs that `forget` would remove."""
    prefixes = [(author.source, prefix) for author in wanted.authors for prefix in id_prefixes(author)]
    values = {
        "networks": [author.source for author in wanted.authors],
        "authors": [author.name for author in wanted.authors],
        "prefixed": [source for source, _ in prefixes],
        "prefixes": [prefix for _, prefix in prefixes],
        "pattern": text_pattern(wanted.authors),
        **_columns(wanted.posts),
    }
    found: dict[str, list[PostKey]] = {"posts": [], "reposts": []}
    for what, *key in sorted(connection.execute(_FIND, values).fetchall()):
        found[what].append(PostKey(*key))
    return Forgotten(**found)


def forget(connection: psycopg.Connection, wanted: Erasure) -> Forgotten:
    """Remove posts, with their reposts or the text of these, from every run, including future ones."""
    with connection.transaction():
        connection.execute(_LOCK_ALL)
        found = find(connection, wanted)
        gone = {*found.posts, *wanted.posts}
        if wanted.reposts == "remove":
            connection.execute(_FORGET, _columns(gone.union(found.reposts)) | {"what": "all"})
        else:
            connection.execute(_FORGET, _columns(gone) | {"what": "post"})
            connection.execute(_CLEAR, _columns(found.reposts))
        forget_in_spikes(connection, wanted, [*found.posts, *found.reposts])
    return found


def _columns(posts: Iterable[PostKey]) -> dict[str, list[str]]:
    keys = list(posts)
    return {"sources": [key.source for key in keys], "ids": [key.id for key in keys]}


def old_months(connection: psycopg.Connection, retention_days: int, now: datetime) -> list[Month]:
    """Return the tables whose posts are all past their retention. Raises Unavailable and Refused."""
    limit = now - timedelta(days=retention_days)
    with translated_errors():
        found = connection.execute(_MONTHS).fetchall()
        months = []
        for table, bounds, size in found:
            upper = _UPPER_BOUND.search(bounds)
            if upper and (until := datetime.fromisoformat(upper[1]).astimezone(UTC)) <= limit:
                counted = connection.execute(
                    sql.SQL("select count(*) from {}").format(sql.Identifier(table))
                ).fetchone()
                months.append(Month(table, until, counted[0] if counted else 0, size))
    return sorted(
        (month for month in months if month.posts or month.table != _BEFORE_2000), key=lambda month: month.until
    )


def drop_month(connection: psycopg.Connection, month: Month) -> None:
    """Drop a table with the versions of its posts, and spikes that are as old.

    Only the owner of the table can do this. The table for posts from before 2000 is emptied instead of dropped, because
    it is never created again.

    Raises Unavailable and Refused.
    """
    with translated_errors(), connection.transaction():
        connection.execute(_LOCK_ALL)
        table = sql.Identifier(month.table)
        for statement in (_DROP_VERSIONS, _KEEP_DELETIONS):
            connection.execute(sql.SQL(statement).format(table))
        connection.execute("delete from stored_spikes where coalesce(closed_at, updated_at) < %s", [month.until])
        removal = "truncate {}" if month.table == _BEFORE_2000 else "drop table {}"
        connection.execute(sql.SQL(removal).format(table))


def deletions_limit(retention_days: int, now: datetime) -> datetime:
    """Return the time before which deletions are no longer needed.

    A post that such a deletion could hide belongs to a table, of a month or a year, that would be dropped immediately.
    """
    start = (now - timedelta(days=retention_days)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if start.year <= now.year - _YEARS_BY_MONTH:
        start = start.replace(month=1)
    return start - EXTRA_DELETION_RETENTION


def old_deletions(connection: psycopg.Connection, limit: datetime) -> int:
    """Return the number of deletions that are older than the limit. Raises Unavailable and Refused."""
    with translated_errors():
        found = connection.execute(_COUNT_DELETIONS, [limit]).fetchone()
    return found[0] if found else 0


def drop_deletions(connection: psycopg.Connection, limit: datetime) -> int:
    """Remove the deletions that are older than the limit, and return their number. Raises Unavailable and Refused."""
    with translated_errors(), connection.transaction():
        connection.execute(_LOCK_ALL)
        return connection.execute(_DROP_DELETIONS, [limit]).rowcount
