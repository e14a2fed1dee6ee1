"""The views of the lake in DuckDB: `posts`, `minutes` and `spikes`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from streams.minutes.text import question_sql
from streams.sinks.columns import CLEARED, Kind
from streams.sinks.lake.columns import schema_of
from streams.sinks.lake.files import column_names, every_file, files_of, runs_of
from streams.sinks.lake.folders import DELETIONS, FORGOTTEN, KINDS, POSTS, SPIKES, LakeFile
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.storage import Storage

T = TypeVar("T")

_MAX_ATTEMPTS = 5

_FOLDERS = {
    POSTS: {"run": pa.string(), "date": pa.date32(), "hour": pa.string()},
    DELETIONS: {"run": pa.string()},
    SPIKES: {"run": pa.string()},
    FORGOTTEN: {},
}
"""The columns whose values come from folder names."""

# Taken by position from the end of the path, because DuckDB's own detection would also use folders above the lake. If a
# query restricts these columns, DuckDB opens only the matching files.
_RUN = "substr(string_split(filename, '/')[{}], 5) as run"
_HOUR = "substr(string_split(filename, '/')[-3], 6)::date as date, substr(string_split(filename, '/')[-2], 6) as hour"
_LONGER_PERIOD = "created_at::date as date, strftime(created_at, '%H') as hour"

NEWEST_FIRST = (
    "edited_at is null, coalesce(edited_at, created_at) desc, enriched_at desc, kafka_partition, kafka_offset desc"
)
"""Sort order of the rows of a post, of which the first one counts.

Edited versions come before the original, then the newest edit, then the newest enrichment.
"""

# A post that was edited after its deletion is shown again: an edit can remove the hashtag, and another can restore it.
# Sorting all posts by id would be expensive, so only posts whose hash occurs twice, was deleted or was forgotten are
# examined. A hash collision costs time but does not change the result.
_POSTS_VIEW = f"""
create view posts as
with ambiguous as materialized (
    select hash(run, source, id) as key_hash from {{posts}} group by 1 having count(*) > 1
    union all select hash(run, source, id) from stored_deletions
    union all select hash(run, source, id) from stored_forgotten, runs
)
select * from {{posts}} where hash(run, source, id) not in (select key_hash from ambiguous)
union all
select * from (select * from {{posts}} where hash(run, source, id) in (select key_hash from ambiguous)) post
where not exists (
    select 1 from stored_deletions deletion
    where deletion.run = post.run and deletion.source = post.source and deletion.id = post.id
    and deletion.deleted_at >= coalesce(post.edited_at, deletion.deleted_at)
) and not exists (
    select 1 from stored_forgotten forgotten
    where forgotten.source = post.source and forgotten.id = post.id and forgotten.what <> 'text'
    and forgotten.forgotten_at >= coalesce(post.edited_at, forgotten.forgotten_at)
)
qualify row_number() over (partition by run, source, id order by {NEWEST_FIRST}) = 1
"""  # noqa: S608

# reposts of forgotten posts are left out or have no text
_EMPTY = {Kind.TEXT: "''", Kind.TEXTS: "[]"}
_CLEARED = ", ".join(f"if(is_silent, {_EMPTY[column.kind]}, {column.name}) as {column.name}" for column in CLEARED)
_CLEARED_VIEW = f"""
create view spoken_posts as
select * exclude (is_silent) replace ({_CLEARED})
from (
    select *, (source, id) in (select (source, id) from stored_forgotten where what = 'text')
        or repost_of is not null and (source, repost_of) in (
            select (source, id) from stored_forgotten where what = 'post'
        ) as is_silent
    from stored_posts
    where repost_of is null or (source, repost_of) not in (select (source, id) from stored_forgotten where what = 'all')
)
"""  # noqa: S608

_MINUTES_VIEW = """
create view minutes as
select run, minute, hashtag, count(*) as posts, count(*) filter (sentiment = 'negative') as negative,
    count(*) filter (sentiment = 'neutral') as neutral, count(*) filter (sentiment = 'positive') as positive,
    sum(p_negative) as negative_sum, sum(p_neutral) as neutral_sum, sum(p_positive) as positive_sum
from (
    select run, date_trunc('minute', created_at) as minute, unnest(hashtags) as hashtag, sentiment,
        negative as p_negative, neutral as p_neutral, positive as p_positive
    from posts
)
group by run, minute, hashtag
"""

# deleted and forgotten posts are not quoted, unless they are visible in `posts` again
_SPIKES_VIEW = """
create view spikes as
with last as (
    select * from stored_spikes
    qualify row_number() over (partition by run, id order by updated_at desc, state = 'closed' desc) = 1
), gone as (
    select {run: run, source: source, id: id} as post from stored_deletions
    union select {run: run, source: source, id: id} from stored_forgotten, runs
    except select {run: run, source: source, id: id} from posts
), listed as (
    select coalesce(list(post), []) as posts from gone
)
select run, last.id, kind, hashtag, state, sensitivity, opened_at, known_at, updated_at, closed_at, last.posts, negative,
    share, low, high, baseline, rate, usual_rate, summary, explanation,
    [one for one in typical if not list_contains(listed.posts, {run: run, source: one.source, id: one.id})] as typical,
    [one for one in shared if not list_contains(listed.posts, {run: run, source: one.source, id: one.id})] as shared
from last, listed
"""


def connect(storage: Storage, *, unlocked: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with the views over the current files.

    Args:
        storage: The lake.
        unlocked: Whether the connection may access anything outside the lake.

    Raises:
        duckdb.Error: The views cannot be created.
        FileNotFoundError: A compaction has just replaced a file.
        Unavailable, Refused: The lake cannot be read.
    """
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    # an unknown table name must not be resolved to a Python variable of this process
    connection.execute("set python_enable_replacements = false")
    if not unlocked:
        _lock(connection, storage)
    runs = pa.table({"run": pa.array(runs_of(storage), pa.string())})
    connection.register("runs", runs)
    for kind in KINDS:
        _create_stored_view(connection, storage, kind)
    posts = "stored_posts"
    if files_of(storage, FORGOTTEN):
        connection.execute(_CLEARED_VIEW)
        posts = "spoken_posts"
    connection.execute(f"create macro is_question(text) as {question_sql('text')}")
    for view in (_POSTS_VIEW.format(posts=posts), _MINUTES_VIEW, _SPIKES_VIEW):
        connection.execute(view)
    return connection


def select(storage: Storage, read: Callable[[duckdb.DuckDBPyConnection], T], *, unlocked: bool = False) -> T:
    """Return what `read` fetches, and repeat it if a compaction replaced files that it was reading.

    `read` gets a connection. DuckDB opens some files only when rows are fetched. Raises duckdb.Error, Unavailable and
    Refused.
    """
    for attempts_left in reversed(range(_MAX_ATTEMPTS)):
        before = every_file(storage)
        try:
            return read(connect(storage, unlocked=unlocked))
        except (duckdb.Error, FileNotFoundError):
            if not attempts_left or every_file(storage) == before:
                raise
    raise AssertionError


def posts_by_run(storage: Storage) -> dict[str, int]:
    """Return the number of visible posts of each run, 0 for a run that has only deletions or spikes."""
    counted = select(storage, lambda lake: lake.execute("select run, count(*) from posts group by 1").fetchall())
    return dict.fromkeys(runs_of(storage), 0) | {str(run): int(posts) for run, posts in counted}


def _lock(connection: duckdb.DuckDBPyConnection, storage: Storage) -> None:
    """Block access to files outside the lake, networks, extensions and settings."""
    # pyarrow reads object stores, so DuckDB needs no access to them
    lake = storage.full("")
    # DuckDB compares names as they are written in the view, that is, with escapes
    directories = sorted({_literal(lake), _quoted(lake)}) if isinstance(storage, LocalStorage) else []
    connection.execute(f"set allowed_directories = [{', '.join(directories)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _create_stored_view(connection: duckdb.DuckDBPyConnection, storage: Storage, kind: str) -> None:
    name, folders = f"stored_{kind}", pa.schema(_FOLDERS[kind])
    columns = pa.schema([*schema_of(kind), *folders])
    # the empty table provides the columns that no file has
    connection.register(f"{name}_columns", columns.empty_table())
    view = f"create view {name} as select * from {name}_columns"  # noqa: S608
    files = files_of(storage, kind)
    parts = _by_columns(storage, files) if isinstance(storage, LocalStorage) else _by_period(files)
    for number, (is_hour, alike) in enumerate(parts):
        times = ", " + (_HOUR if is_hour else _LONGER_PERIOD) if kind == POSTS else ""
        if isinstance(storage, LocalStorage):
            run = ", " + _RUN.format(-3 if kind == SPIKES else -4) if len(folders) else ""
            names = ", ".join(map(_quoted, (storage.full(file.name) for file in alike)))
            view += (
                f" union all by name select * exclude (filename){run}{times} "  # noqa: S608
                f"from read_parquet([{names}], hive_partitioning = false, filename = true)"
            )
            continue
        # DuckDB has no network access and reads through pyarrow
        given = folders if is_hour or kind != POSTS else pa.schema([folders.field("run")])
        connection.register(f"{name}_{number}", _dataset(storage, kind, alike, given))
        view += f" union all by name select *{times if given != folders else ''} from {name}_{number}"  # noqa: S608
    connection.execute(view)


def _by_period(files: Sequence[LakeFile]) -> list[tuple[bool, list[LakeFile]]]:
    """Separate files of hourly folders from the others, whose folder names are less precise."""
    alike: dict[bool, list[LakeFile]] = defaultdict(list)
    for file in files:
        alike[file.is_hour].append(file)
    return list(alike.items())


def _by_columns(storage: Storage, files: Sequence[LakeFile]) -> list[tuple[bool, list[LakeFile]]]:
    """Like `_by_period`, but also group by columns, as earlier versions wrote fewer of them.

    DuckDB could unify the columns itself, but would open every file again for each query that uses a view.
    """
    alike: dict[tuple[bool, tuple[str, ...]], list[LakeFile]] = defaultdict(list)
    for file in files:
        alike[file.is_hour, column_names(storage, file.name)].append(file)
    return [(is_hour, group) for (is_hour, _), group in alike.items()]


def _quoted(path: str) -> str:
    """Return a path as a literal of DuckDB's SQL, with wildcards escaped."""
    return _literal(re.sub(r"[*?\[]", r"[\g<0>]", path))


def _dataset(storage: Storage, kind: str, files: Sequence[LakeFile], folders: pa.Schema) -> Any:
    return pads.dataset(
        [storage.full(file.name) for file in files],
        schema=pa.schema([*schema_of(kind), *folders]),
        format="parquet",
        filesystem=storage.filesystem,
        partitioning=pads.partitioning(folders, flavor="hive") if len(folders) else None,
        partition_base_dir=storage.full(kind),
    )
