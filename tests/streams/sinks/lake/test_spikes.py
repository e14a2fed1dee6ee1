"""Each message about a spike is a file of the day on which the spike opened."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from streams.sinks.base import Erasure, PostKey
from streams.sinks.lake.files import read_table
from streams.sinks.lake.folders import SPIKES
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.prune import prune
from streams.sinks.lake.query import ask
from streams.sinks.lake.spikes import forget_in_spikes, keep_spikes
from tests.helpers.spikes import FULL, excerpt, explained, published


async def test_old_spikes_are_removed_with_their_day(tmp_path: Path) -> None:
    later = published(id="later", opened_at=FULL.at + timedelta(days=60))
    assert keep_spikes(open_storage(tmp_path), "live", [published(), later]) == 2
    today = (FULL.at + timedelta(days=61)).astimezone(UTC).date()
    (gone,) = prune(open_storage(tmp_path), days=30, today=today, execute=True)
    assert (gone.folder, gone.files) == (f"spikes/run=live/date={FULL.opened_at:%Y-%m-%d}", 1)
    assert list(ask(tmp_path, "select id from spikes").rows) == [("later",)]


def test_a_message_is_one_file_however_often_it_arrives(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    assert keep_spikes(storage, "live", [published(), published(), published(1), published(state="closed")]) == 3
    files = storage.files(SPIKES)
    assert len(files) == 3
    assert keep_spikes(storage, "live", [published(1), published(2)]) == 1
    assert set(files) < set(storage.files(SPIKES))
    assert {name.rpartition("/")[0] for name in files} == {f"spikes/run=live/date={FULL.opened_at:%Y-%m-%d}"}
    assert keep_spikes(storage, "live", []) == 0


def test_an_explanation_loses_only_what_quotes_a_forgotten_post(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    goes, stays = excerpt("goes", author="someone"), excerpt("stays")
    keep_spikes(storage, "live", [explained(typical=(goes, stays), top_text="text of goes"), published(id="other")])
    before = {name: read_table(storage, name).to_pylist() for name in storage.files(SPIKES)}
    forget_in_spikes(storage, Erasure(), [PostKey("test", "never")])
    assert {name: read_table(storage, name).to_pylist() for name in storage.files(SPIKES)} == before
    forget_in_spikes(storage, Erasure(), [PostKey("test", "goes")])
    for name, ((was,), (now,)) in {
        name: (rows, read_table(storage, name).to_pylist()) for name, rows in before.items()
    }.items():
        if was["id"] == "other":
            assert now == was, name
            continue
        assert [post["id"] for post in now["typical"]] == ["stays"]
        assert now["summary"] is None
        assert "text of goes" not in now["explanation"]
        same = now.keys() - {"typical", "summary", "explanation"}
        assert {field: now[field] for field in same} == {field: was[field] for field in same}
