"""Erase posts and reposts of them from the lake."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pac

from streams.contracts import utc_now
from streams.sinks.base import Author, Erasure, Forgotten, PostKey
from streams.sinks.lake.columns import FORGOTTEN_SCHEMA
from streams.sinks.lake.files import base_name, describe, files_of, read_table, replace, write_table
from streams.sinks.lake.folders import FORGOTTEN, POSTS, LakeFile
from streams.sinks.lake.notes import TEXT_COLUMNS, ErasureRecords, apply_erasures, keys_of, read_erasures
from streams.sinks.lake.spikes import forget_in_spikes
from streams.sinks.lake.storage import Storage
from streams.sinks.reposts import id_prefixes, text_pattern


class _Found(NamedTuple):
    posts: set[PostKey]
    reposts: set[PostKey]
    newest: datetime
    """The current time, or the latest edit of the posts if that is later."""


def find(storage: Storage, wanted: Erasure) -> Forgotten:
    """Return the posts and reposts of every run that `forget` would remove."""
    found = _find(storage, wanted)
    return Forgotten(sorted(found.posts), sorted(found.reposts))


def forget(storage: Storage, wanted: Erasure) -> Forgotten:
    """Remove posts from all files of all runs, together with their reposts or the text of these; return those found.

    The erasure is recorded first. From then on no view shows the posts, even if their records are read again or
    replayed; only an edit that is made later counts as a new post. Rows that a writer adds at the same time are hidden,
    and the next compaction removes them.
    """
    found = _find(storage, wanted)
    removes = wanted.reposts == "remove"
    gone = found.posts | wanted.posts | (found.reposts if removes else set())
    notes = dict.fromkeys(gone, "all" if removes else "post")
    if not removes:
        notes |= dict.fromkeys(found.reposts - gone, "text")
    if notes:
        _record_erasure(storage, notes, found.newest)
    # a compaction may copy a post into a new file while an old one is being rewritten
    while (found.posts or found.reposts) and _remove_rows(storage, gone, read_erasures(storage)):
        pass
    forget_in_spikes(storage, wanted, sorted(notes))
    return Forgotten(sorted(found.posts), sorted(found.reposts))


def _find(storage: Storage, wanted: Erasure) -> _Found:
    posts: set[PostKey] = set()
    newest = utc_now()
    originals: list[tuple[PostKey, PostKey]] = []
    quoting: set[PostKey] = set()
    prefixes = {author.source: tuple[str, ...]() for author in wanted.authors}
    for author in wanted.authors:
        prefixes[author.source] += tuple(id_prefixes(author))
    pattern = text_pattern(wanted.authors)
    for _, table in _tables(storage, ["source", "id", "author", "edited_at", "repost_of", "text"]):
        keys, reposted = keys_of(table), table.column("repost_of").to_pylist()
        authors, edits = table.column("author").to_pylist(), table.column("edited_at").to_pylist()
        for key, author, edited_at, repost_of in zip(keys, authors, edits, reposted, strict=True):
            if Author(key.source, author) in wanted.authors or key in wanted.posts:
                posts.add(key)
                newest = max(newest, edited_at or newest)
            if repost_of is not None:
                originals.append((key, PostKey(key.source, repost_of)))
                if repost_of.startswith(prefixes.get(key.source, ())):
                    quoting.add(key)
        if wanted.authors:
            matches = pac.match_substring_regex(table.column("text"), pattern, ignore_case=True)
            quoting.update(key for key in keys_of(table.filter(matches)) if key.source in prefixes)
    requested = posts | wanted.posts
    reposts = quoting | {key for key, original in originals if original in requested}
    return _Found(posts, reposts - posts, newest)


def _record_erasure(storage: Storage, what: dict[PostKey, str], at: datetime) -> None:
    keys = sorted(what)
    columns = [[key.source for key in keys], [key.id for key in keys], [at] * len(keys), [what[key] for key in keys]]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, FORGOTTEN_SCHEMA, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=FORGOTTEN_SCHEMA)
    write_table(storage, f"{FORGOTTEN}/forgotten-{uuid.uuid4().hex}.parquet", table)


def _remove_rows(storage: Storage, gone: Set[PostKey], notes: ErasureRecords) -> bool:
    """Rewrite the files that contain any of these posts or their text; return whether there were any."""
    found = False
    for file, table in _tables(storage, TEXT_COLUMNS):
        if apply_erasures(table, notes, gone) is None:
            continue
        found = True
        try:
            file_id, _ = describe(storage, file.name)
            whole = read_table(storage, file.name)
        except FileNotFoundError:
            continue
        left = apply_erasures(whole, notes, gone)
        replace(storage, file.folder, {base_name(file.name): file_id}, {file.span: whole if left is None else left})
    return found


def _tables(storage: Storage, columns: Sequence[str]) -> Iterator[tuple[LakeFile, pa.Table]]:
    for file in files_of(storage, POSTS):
        try:
            table = read_table(storage, file.name, columns)
        except FileNotFoundError:
            continue
        yield file, table
