"""Spikes into their table: of each the last message about it, without posts that were forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from streams.contracts import Excerpt, Spike
from streams.sinks.base import PostKey, Wanted
from streams.sinks.postgres.upsert import lock_run

_COLUMNS = (
    "id",
    "kind",
    "hashtag",
    "state",
    "sensitivity",
    "opened_at",
    "known_at",
    "told_at",
    "closed_at",
    "posts",
    "negative",
    "share",
    "low",
    "high",
    "baseline",
    "rate",
    "usual_rate",
    "explanation",
)

# An older message that comes again changes nothing; of the same time the one that closes stands.
_UPSERT = f"""
insert into stored_spikes as spike (run, {", ".join(_COLUMNS)})
values (%(run)s, {", ".join(f"%({name})s" for name in _COLUMNS)})
on conflict (run, id) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
where (excluded.told_at, excluded.state = 'closed') > (spike.told_at, spike.state = 'closed')
"""  # noqa: S608

_FORGOTTEN = """
select source, id from forgotten_posts
where (source, id) in (select * from unnest(%s::text[], %s::text[]))
"""

_REMOVED = ("summary", "top_author", "top_text")
"""What may quote a post or name its author."""


def upsert_spikes(connection: psycopg.Connection, run: str, spikes: Sequence[Spike]) -> int:
    """One transaction; answers how many messages changed what is stored."""
    with connection.transaction(), connection.cursor() as cursor:
        lock_run(cursor, run)
        gone = _forgotten(cursor, spikes)
        changed = 0
        for spike in spikes:
            cursor.execute(_UPSERT, {"run": run, **_fields(spike, gone)})
            changed += cursor.rowcount
        return changed


def forget_in_spikes(connection: psycopg.Connection, wanted: Wanted, posts: Sequence[PostKey]) -> None:
    """Takes the posts and authors out of every explanation; within the caller's transaction.

    An explanation that showed one of them also loses its summary and what else may quote it.
    """
    gone = wanted.posts | set(posts)
    names = {author.name for author in wanted.authors}
    authors = {(author.source, author.name) for author in wanted.authors}
    for run, spike_id, explanation in connection.execute("select run, id, explanation from stored_spikes").fetchall():
        kept = {
            name: [
                excerpt
                for excerpt in explanation.get(name, ())
                if PostKey(excerpt["source"], excerpt["id"]) not in gone
                and (excerpt["source"], excerpt.get("author", "")) not in authors
            ]
            for name in ("typical", "shared")
        }
        touched = any(len(kept[name]) < len(explanation.get(name, ())) for name in kept)
        if not touched and explanation.get("top_author") not in names:
            continue
        rest = {name: value for name, value in explanation.items() if name not in _REMOVED} | kept
        connection.execute(
            "update stored_spikes set explanation = %s where run = %s and id = %s", [Jsonb(rest), run, spike_id]
        )


def _forgotten(cursor: psycopg.Cursor, spikes: Sequence[Spike]) -> set[PostKey]:
    excerpts = [excerpt for spike in spikes for excerpt in (*spike.explanation.typical, *spike.explanation.shared)]
    keys = [[_storable(excerpt.source) for excerpt in excerpts], [_storable(excerpt.id) for excerpt in excerpts]]
    return {PostKey(*key) for key in cursor.execute(_FORGOTTEN, keys).fetchall()}


def _fields(spike: Spike, gone: set[PostKey]) -> dict[str, Any]:
    def kept(excerpts: tuple[Excerpt, ...]) -> tuple[Excerpt, ...]:
        return tuple(excerpt for excerpt in excerpts if PostKey(excerpt.source, excerpt.id) not in gone)

    explanation = spike.explanation
    typical, shared = kept(explanation.typical), kept(explanation.shared)
    values = msgspec.to_builtins(msgspec.structs.replace(explanation, typical=typical, shared=shared))
    if len(typical) + len(shared) < len(explanation.typical) + len(explanation.shared):
        values = {name: value for name, value in values.items() if name not in _REMOVED}
    fields = {name: _storable(getattr(spike, name)) for name in _COLUMNS if name not in ("told_at", "explanation")}
    return fields | {"told_at": spike.at, "explanation": Jsonb(_storable(values))}


def _storable(value: Any) -> Any:
    """PostgreSQL holds no NUL in a text: the sign for what cannot be shown stands for it."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {_storable(name): _storable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case _:
            return value
