"""The sinks show the latest message about each spike, and quote no deleted or forgotten posts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest

from streams.contracts import Explanation, Spike
from streams.sinks.base import Author, Erasure, PostKey, opened
from streams.sinks.explanations import EXCERPTS
from tests.helpers.rows import changed, deletion, enriched, row
from tests.helpers.spikes import FULL, excerpt, explained, published
from tests.helpers.stores import Store


async def keep(store: Store, *spikes: Spike, run: str = "live") -> int:
    async with opened(store.sink(run)) as sink:
        return await sink.keep_spikes(spikes)


def shown(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(fields.values()) for fields in store.select("select run, state, posts from spikes order by run, id")]


def explanation(store: Store) -> Explanation:
    """Return the explanation of the only spike."""
    (fields,) = store.select("select * from spikes")
    parts = fields["explanation"]
    if store.is_lake:
        parts = json.loads(parts) | {"summary": fields["summary"]}
        for name in EXCERPTS:
            parts[name] = [{key: value for key, value in each.items() if value is not None} for each in fields[name]]
    return msgspec.convert({name: value for name, value in parts.items() if value is not None}, Explanation)


async def test_all_fields_of_a_spike_are_stored(any_store: Store) -> None:
    assert await keep(any_store, FULL) == 1
    fields = msgspec.to_builtins(FULL, builtin_types=(datetime,))
    for name in ("type", "at", "explanation"):
        del fields[name]
    (found,) = any_store.select("select * from spikes")
    assert {name: found[name] for name in fields} == fields
    assert (found["updated_at"], found["summary"]) == (FULL.at, FULL.explanation.summary)
    assert explanation(any_store) == FULL.explanation


async def test_the_latest_message_wins_in_whatever_order_they_arrive(store: Store) -> None:
    opens, grows = published(0, posts=10), published(5, state="growing", posts=50)
    closes = published(5, state="closed", posts=51, closed_at=FULL.closed_at)
    assert await keep(store, opens, grows) == 2
    assert await keep(store, opens) == 0
    assert shown(store) == [("live", "growing", 50)]
    assert await keep(store, closes, grows, closes, opens) == 1
    assert shown(store) == [("live", "closed", 51)]


async def test_runs_are_separate_and_one_is_dropped(store: Store) -> None:
    await keep(store, published(posts=1))
    await keep(store, published(posts=2), run="again")
    async with opened(store.sink("again")) as sink:
        # a folder of a lake is a run, even without posts
        assert await sink.runs() == ({"live": 0, "again": 0} if store.is_lake else {})
        await sink.drop_run("again")
    assert shown(store) == [("live", "open", 1)]


async def test_a_hostile_spike_is_kept_as_it_is(store: Store) -> None:
    hostile = "'; drop table stored_spikes; -- <script>{{7*7}} %s \u202e\0" + "e" + "\u0301" * 5_000
    assert await keep(store, explained(summary=hostile, top_author=hostile)) == 1
    kept = hostile if store.is_lake else hostile.replace("\0", "\ufffd")
    assert store.select("select summary from spikes") == [{"summary": kept}]
    assert explanation(store).top_author == kept


async def test_a_deleted_post_is_no_longer_shown(any_store: Store) -> None:
    async with opened(any_store.sink()) as sink:
        await sink.write([row(0, enriched("stays")), row(1, enriched("goes"))])
        await sink.flush()
        await sink.keep_spikes([explained(typical=(excerpt("goes"), excerpt("stays")), shared=(excerpt("goes"),))])
        await sink.write([row(2, deletion("goes", minutes=1))])
        await sink.flush()
    left = explanation(any_store)
    assert [post.id for post in left.typical] == ["stays"]
    assert left.shared == ()
    assert left.terms == FULL.explanation.terms


@pytest.mark.parametrize(
    "wanted",
    [
        Erasure(posts=frozenset([PostKey("test", "goes")])),
        Erasure(authors=frozenset([Author("test", "someone")])),
    ],
)
async def test_a_forgotten_author_is_in_no_explanation_and_does_not_come_back(store: Store, wanted: Erasure) -> None:
    theirs = explained(
        typical=(excerpt("goes", author="someone"), excerpt("stays", author="other")),
        summary="It is about text of goes",
        top_author="someone",
        top_text="text of goes",
    )
    async with opened(store.sink()) as sink:
        await sink.write([row(0, changed(enriched("goes"), author="someone"))])
        await sink.flush()
        await sink.keep_spikes([theirs, published(id="other")])
        await sink.forget(wanted)
        assert await sink.keep_spikes([theirs, msgspec.structs.replace(theirs, state="closed")]) == 1
    kept = store.select("select * from stored_spikes")
    assert len(kept) == (3 if store.is_lake else 2), "the lake keeps each message"
    for fields in kept:
        whole = str(list(fields.values()))
        assert "goes" not in whole
        assert "someone" not in whole
        assert ("k9" if fields["id"] == "other" else "text of stays") in whole
