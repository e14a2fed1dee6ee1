"""`tagpulse lake` without a lake; tests/streams/sinks/lake tests what it does to one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from streams.cli import lake as module
from streams.contracts import utc_now
from streams.errors import BadInput, SettingsError
from streams.settings import Settings
from streams.sinks.lake.compact import Compacted
from streams.sinks.lake.prune import Pruned
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects
from tests.streams.compare.two_runs import enriched, write_run

NOTHING = "; nothing was changed: add --execute"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the lake was asked to do; it reports two folders each time."""
    found: list[dict[str, Any]] = []

    def compact(storage: object, **options: Any) -> Iterator[Compacted]:
        found.append(options)
        yield Compacted("posts/run=live/hour=9", 5, 1, 100, 90)
        yield Compacted("posts/run=live/hour=10", 3, 1, 50, 50)

    def prune(storage: object, **options: Any) -> Iterator[Pruned]:
        found.append(options)
        yield Pruned("posts/run=live/date=1", 3, 3 * 2**20)
        yield Pruned("posts/run=live/date=2", 1, 2**19)

    monkeypatch.setattr(module, "compact", compact)
    monkeypatch.setattr(module, "prune", prune)
    return found


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    settings = own_settings("127.0.0.1:1", tmp_path)
    await write_run(settings.lake.path, "live", [enriched("1")])
    return settings


@pytest.mark.parametrize("execute", [True, False])
async def test_compaction_reports_each_folder_and_the_sum(
    settings: Settings, asked: list[dict[str, Any]], execute: bool
) -> None:
    done = invoke("lake", "compact", *(["--execute"] if execute else []), settings=settings)
    assert done.stdout.splitlines() == [
        "posts/run=live/hour=9: 5 files become 1, 10 of 100 rows dropped",
        "posts/run=live/hour=10: 3 files become 1, 0 of 50 rows dropped",
        f"2 folders: 8 files become 2, 10 rows dropped{'' if execute else NOTHING}",
    ]
    [options] = asked
    assert (options["run"], options["execute"]) == (None, execute)
    assert options["before"] - (utc_now() - timedelta(hours=1)) < timedelta(minutes=1)


async def test_compaction_can_be_limited_to_a_run_and_an_age(settings: Settings, asked: list[dict[str, Any]]) -> None:
    found = objects("lake", "compact", "--run", "live", "--older-than", "2d", settings=settings)
    assert found[0] == {"folder": "posts/run=live/hour=9", "files": 5, "files_after": 1, "rows": 100, "rows_after": 90}
    assert len(found) == 2
    [options] = asked
    assert options["run"] == "live"
    before: datetime = options["before"]
    assert abs(utc_now() - timedelta(days=2) - before) < timedelta(minutes=1)
    with pytest.raises(BadInput, match="never"):
        invoke("lake", "compact", "--run", "never", settings=settings)
    with pytest.raises(click.BadParameter, match="such as 30m, 1h or 2d"):
        invoke("lake", "compact", "--older-than", "soon", settings=settings)


@pytest.mark.parametrize("execute", [True, False])
async def test_pruning_reports_each_folder_and_the_sum(
    settings: Settings, asked: list[dict[str, Any]], execute: bool
) -> None:
    done = invoke("lake", "prune", "--days", "90", *(["--execute"] if execute else []), settings=settings)
    fate = "removed" if execute else f"to be removed{NOTHING}"
    assert done.stdout.splitlines() == [
        "posts/run=live/date=1: 3 files, 3.0 MiB",
        "posts/run=live/date=2: 1 files, 0.5 MiB",
        f"2 folders with 4 files, 3.5 MiB, {fate}",
    ]
    [options] = asked
    assert (options["days"], options["execute"]) == (90, execute)
    assert isinstance(options["today"], date)


async def test_the_retention_comes_from_the_settings_unless_it_is_given(
    settings: Settings, asked: list[dict[str, Any]]
) -> None:
    with pytest.raises(SettingsError, match="give --days N or set TAGPULSE_LAKE__RETENTION_DAYS=N"):
        invoke("lake", "prune", settings=settings)
    kept = settings.model_copy(update={"lake": settings.lake.model_copy(update={"retention_days": 30})})
    assert objects("lake", "prune", settings=kept) == [
        {"folder": "posts/run=live/date=1", "files": 3, "bytes": 3 * 2**20},
        {"folder": "posts/run=live/date=2", "files": 1, "bytes": 2**19},
    ]
    invoke("lake", "prune", "--days", "7", settings=kept)
    assert [options["days"] for options in asked] == [30, 7]
