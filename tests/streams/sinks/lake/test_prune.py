"""Old days are removed, and old rows from folders of longer periods."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from streams.contracts import Deletion
from streams.sinks.lake.files import every_file
from streams.sinks.lake.folders import DELETIONS
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.opening import open_storage
from streams.sinks.lake.prune import prune
from tests.helpers.lake import stored, write
from tests.helpers.rows import DAY, START, at, enriched, row


async def test_old_days_are_removed_and_their_deletions_a_week_later(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, Deletion(source="test", id="a", deleted_at=START))])
    storage, day = LocalStorage(tmp_path), START.date()
    assert list(prune(storage, days=3, today=day + timedelta(days=3), execute=True)) == []
    (plan,) = prune(storage, days=3, today=day + timedelta(days=4))
    assert (plan.folder, plan.files) == (f"posts/run=live/date={day}", 1)
    assert plan.bytes > 0
    assert len(every_file(storage)) == 2, "a plan changes nothing"
    list(prune(storage, days=3, today=day + timedelta(days=4), execute=True))
    assert [name.partition("/")[0] for name in every_file(storage)] == [DELETIONS]
    list(prune(storage, days=3, today=day + timedelta(days=11), execute=True))
    assert every_file(storage) == []


async def test_a_folder_of_a_longer_period_loses_only_its_old_posts(tmp_path: Path) -> None:
    now = START + timedelta(days=60)  # both posts are from June and were collected in August
    await write(tmp_path, [row(0, at(START, "old", now)), row(1, at(START + timedelta(days=5), "young", now))])
    storage = open_storage(tmp_path)
    (plan,) = prune(storage, days=3, today=DAY + timedelta(days=4))
    assert (plan.folder, plan.files) == ("posts/run=live/date=2026-06-01/hour=month", 1)
    assert stored(tmp_path) == [(0, 0, "old"), (0, 1, "young")], "a plan changes nothing"
    assert list(prune(storage, days=3, today=DAY + timedelta(days=4), execute=True)) == [plan]
    assert stored(tmp_path) == [(0, 1, "young")]
    assert list(prune(storage, days=3, today=DAY + timedelta(days=4))) == []
