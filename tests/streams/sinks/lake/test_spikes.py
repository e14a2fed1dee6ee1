"""The view of spikes shows the latest message about each, and quotes no deleted or forgotten posts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.contracts import Spike
from streams.settings import LakeSettings
from streams.sinks.base import Author, Erasure, PostKey, opened
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.prune import prune
from streams.sinks.lake.query import ask
from tests.helpers.s3 import Bucket, local_bucket
from tests.streams.sinks.lake.test_parquet import enriched, row
from tests.streams.sinks.test_postgres import changed, deletion
from tests.streams.sinks.test_postgres_spikes import FULL, excerpt, explained, spike


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with local_bucket() as bucket:
        yield bucket


@pytest.fixture(params=["folder", "object-store"])
def lake(request: pytest.FixtureRequest, server: Bucket, tmp_path: Path) -> Path | str:
    if request.param == "folder":
        return tmp_path
    own = Bucket(server.port, tmp_path.name.replace("_", "-"))
    own.make()
    return own.address()


async def keep(lake: Path | str, *spikes: Spike, run: str = "live") -> int:
    async with opened(ParquetSink(LakeSettings(path=lake), run)) as sink:
        return await sink.keep_spikes(spikes)


def stored(lake: Path | str, columns: str = "run, state, posts") -> list[tuple[Any, ...]]:
    return list(ask(lake, f"select {columns} from spikes order by run, id").rows)


async def test_all_fields_of_a_spike_are_stored(lake: Path | str) -> None:
    assert await keep(lake, FULL) == 1
    fields = msgspec.to_builtins(FULL, builtin_types=(datetime,))
    explanation = fields.pop("explanation")
    for name in ("type", "at"):
        del fields[name]
    names = [*fields, "told_at", "summary", "explanation", "typical", "shared"]
    (values,) = stored(lake, ", ".join(names))
    found = dict(zip(names, values, strict=True))
    assert {name: found[name] for name in fields} == fields
    assert found["told_at"] == FULL.at
    assert found["summary"] == explanation["summary"]
    assert json.loads(found["explanation"])["terms"] == list(explanation["terms"])
    for part in ("typical", "shared"):
        shown = [{name: value for name, value in each.items() if value is not None} for each in found[part]]
        assert shown == list(explanation[part])


async def test_the_latest_message_wins_in_whatever_order_they_arrive(tmp_path: Path) -> None:
    opens, grows = spike(0, posts=10), spike(5, state="growing", posts=50)
    closes = spike(5, state="closed", posts=51, closed_at=FULL.closed_at)
    assert await keep(tmp_path, opens, grows) == 2
    assert await keep(tmp_path, opens) == 0
    assert stored(tmp_path) == [("live", "growing", 50)]
    assert await keep(tmp_path, closes, grows, closes, opens) == 1
    assert stored(tmp_path) == [("live", "closed", 51)]


async def test_runs_are_separate_and_one_is_dropped(tmp_path: Path) -> None:
    await keep(tmp_path, spike(posts=1))
    await keep(tmp_path, spike(posts=2), run="again")
    async with opened(ParquetSink(LakeSettings(path=tmp_path), "again")) as sink:
        assert await sink.runs() == {"live": 0, "again": 0}
        await sink.drop_run("again")
    assert stored(tmp_path) == [("live", "open", 1)]


async def test_a_hostile_spike_is_kept_as_it_is(tmp_path: Path) -> None:
    hostile = "'; drop table stored_spikes; -- <script>{{7*7}} %s \u202e\0" + "e" + "\u0301" * 5_000
    assert await keep(tmp_path, explained(summary=hostile, top_author=hostile)) == 1
    ((summary, explanation),) = stored(tmp_path, "summary, explanation")
    assert (summary, json.loads(explanation)["top_author"]) == (hostile, hostile)


async def test_a_deleted_post_is_no_longer_shown(lake: Path | str) -> None:
    async with opened(ParquetSink(LakeSettings(path=lake))) as sink:
        await sink.write([row(0, enriched("stays")), row(1, enriched("goes"))])
        await sink.flush()
        await sink.keep_spikes([explained(typical=(excerpt("goes"), excerpt("stays")), shared=(excerpt("goes"),))])
        await sink.write([row(2, deletion("goes", minutes=1))])
        await sink.flush()
    assert stored(lake, "[post.id for post in typical], shared") == [(["stays"], [])]


@pytest.mark.parametrize(
    "wanted",
    [
        Erasure(posts=frozenset([PostKey("test", "goes")])),
        Erasure(authors=frozenset([Author("test", "someone")])),
    ],
)
async def test_a_forgotten_author_is_in_no_explanation_and_does_not_come_back(tmp_path: Path, wanted: Erasure) -> None:
    theirs = explained(
        typical=(excerpt("goes", author="someone"), excerpt("stays", author="other")),
        summary="It is about text of goes",
        top_author="someone",
        top_text="text of goes",
    )
    others = msgspec.structs.replace(spike(), id="other")
    async with opened(ParquetSink(LakeSettings(path=tmp_path))) as sink:
        await sink.write([row(0, changed(enriched("goes"), author="someone"))])
        await sink.flush()
        await sink.keep_spikes([theirs, others])
        await sink.forget(wanted)
        assert await sink.keep_spikes([theirs, msgspec.structs.replace(theirs, state="closed")]) == 1
    files = list(ask(tmp_path, "select id, columns(*)::text from stored_spikes order by id").rows)
    assert len(files) == 3
    for name, *values in files:
        whole = " ".join(value or "" for value in values)
        assert "goes" not in whole
        assert "someone" not in whole
        assert ("k9" if name == "other" else "text of stays") in whole


async def test_old_spikes_go_with_their_day(tmp_path: Path) -> None:
    await keep(tmp_path, spike(), msgspec.structs.replace(spike(), id="later", opened_at=FULL.at + timedelta(days=60)))
    today = (FULL.at + timedelta(days=61)).astimezone(UTC).date()
    (gone,) = prune(open_storage(tmp_path), days=30, today=today, execute=True)
    assert (gone.folder, gone.files) == (f"spikes/run=live/date={FULL.opened_at:%Y-%m-%d}", 1)
    assert stored(tmp_path, "id") == [("later",)]
