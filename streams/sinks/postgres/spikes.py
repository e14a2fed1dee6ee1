"""Store the latest message about each spike, without posts that were forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from streams.contracts import Spike
from streams.sinks.base import Erasure, PostKey
from streams.sinks.explanations import without_posts
from streams.sinks.postgres.upsert import lock_run

_COLUMNS = (
    "id",
    "kind",
    "hashtag",
    "state",
    "sensitivity",
    "opened_at",
    "known_at",
    "updated_at",
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

# An older message that arrives again changes nothing; of two messages at the same time, the one that closes wins.
_UPSERT = f"""
insert into stored_spikes as spike (run, {", ".join(_COLUMNS)})
values (%(run)s, {", ".join(f"%({name})s" for name in _COLUMNS)})
on conflict (run, id) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
where (excluded.updated_at, excluded.state = 'closed') > (spike.updated_at, spike.state = 'closed')
"""  # noqa: S608

_FORGOTTEN = """
select source, id from forgotten_posts
where (source, id) in (select * from unnest(%s::text[], %s::text[]))
"""


def upsert_spikes(connection: psycopg.Connection, run: str, spikes: Sequence[Spike]) -> int:
    """Store the messages in one transaction, and return how many changed the stored data."""
    with connection.transaction(), connection.cursor() as cursor:
        lock_run(cursor, run)
        gone = _forgotten(cursor, spikes)
        changed = 0
        for spike in spikes:
            cursor.execute(_UPSERT, {"run": run, **_fields(spike, gone)})
            changed += cursor.rowcount
        return changed


def forget_in_spikes(connection: psycopg.Connection, wanted: Erasure, posts: Sequence[PostKey]) -> None:
    """Remove posts and authors from every explanation, within the caller's transaction."""
    gone = wanted.posts | set(posts)
    for run, spike_id, explanation in connection.execute("select run, id, explanation from stored_spikes").fetchall():
        remaining = without_posts(explanation, gone, wanted.authors)
        if remaining is not None:
            connection.execute(
                "update stored_spikes set explanation = %s where run = %s and id = %s",
                [Jsonb(remaining), run, spike_id],
            )


def _forgotten(cursor: psycopg.Cursor, spikes: Sequence[Spike]) -> set[PostKey]:
    excerpts = [excerpt for spike in spikes for excerpt in (*spike.explanation.typical, *spike.explanation.shared)]
    keys = [[_storable(excerpt.source) for excerpt in excerpts], [_storable(excerpt.id) for excerpt in excerpts]]
    return {PostKey(*key) for key in cursor.execute(_FORGOTTEN, keys).fetchall()}


def _fields(spike: Spike, gone: set[PostKey]) -> dict[str, Any]:
    explanation = msgspec.to_builtins(spike.explanation)
    shown = without_posts(explanation, gone) or explanation
    fields = {name: _storable(getattr(spike, name)) for name in _COLUMNS if name not in ("updated_at", "explanation")}
    return fields | {"updated_at": spike.at, "explanation": Jsonb(_storable(shown))}


def _storable(value: Any) -> Any:
    """Replace each NUL, which PostgreSQL cannot store in text, with U+FFFD."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {_storable(name): _storable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case _:
            return value
