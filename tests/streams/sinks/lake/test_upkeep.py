"""Compaction and retention of a lake from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from streams.sinks.lake.folders import POSTS
from tests.helpers.brokers import own_settings
from tests.helpers.lake import view_rows, write
from tests.helpers.processes import run_tagpulse
from tests.helpers.rows import enriched, row


async def test_the_commands_print_the_plan_and_act_only_with_execute(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    lake = tmp_path / "lake"
    for offset in range(3):
        await write(lake, [row(offset, enriched(f"p{offset}"))])
    for extra, files in (((), 3), (("--execute",), 1)):
        done = run_tagpulse("lake", "compact", "--run", "live", *extra, settings=settings)
        assert done.returncode == 0, done.stderr
        assert "3 files become 1" in done.stdout
        assert ("nothing was changed" in done.stdout) == (not extra)
        assert len(list((lake / POSTS).rglob("*.parquet"))) == files
    assert run_tagpulse("lake", "prune", settings=settings).returncode == 78
    done = run_tagpulse("lake", "prune", "--days", "1", "--json", "--execute", settings=settings)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["files"] == 1
    assert view_rows(lake) == {}
    assert run_tagpulse("lake", "compact", "--older-than", "soon", settings=settings).returncode == 2
