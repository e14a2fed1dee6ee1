"""`tagpulse postgres` without a server; tests/streams/sinks/postgres tests what it does to one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.cli import postgres as module
from streams.errors import SettingsError
from streams.settings import Settings
from streams.sinks.postgres import schema
from streams.sinks.postgres.removal import Month
from streams.sinks.postgres.schema import NEEDED, Versions
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects

MONTHS = [
    Month("posts_2025_01", datetime(2025, 2, 1, tzinfo=UTC), 1_000, 3 * 2**20),
    Month("posts_2025_02", datetime(2025, 3, 1, tzinfo=UTC), 10, 2**19),
]


class Database:
    """A fake database with a schema version, old months and old deletions."""

    def __init__(self) -> None:
        self.before: str | None = None
        self.version: str | None = NEEDED
        self.months = list(MONTHS)
        self.deletions = 7
        self.dropped: list[str] = []
        self.is_open = False

    def connect(self, settings: object) -> Database:
        self.is_open = True
        return self

    def close(self) -> None:
        self.is_open = False

    def migrate(self, settings: object) -> tuple[str | None, str]:
        return self.before, NEEDED

    def versions(self, *_: object) -> Versions:
        assert self.is_open
        return Versions(self.version, NEEDED)

    def old_months(self, *_: object) -> list[Month]:
        return self.months

    def drop_month(self, _: object, month: Month) -> None:
        self.dropped.append(month.table)

    def old_deletions(self, *_: object) -> int:
        return self.deletions

    def drop_deletions(self, *_: object) -> int:
        self.dropped.append("deletions")
        return self.deletions


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(module, "connect", database.connect)
    monkeypatch.setattr(module, "run_migrations", database.migrate)
    monkeypatch.setattr(schema, "versions", database.versions)
    for name in ("old_months", "drop_month", "old_deletions", "drop_deletions"):
        monkeypatch.setattr(module, name, getattr(database, name))
    return database


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = own_settings("127.0.0.1:1", tmp_path)
    postgres = settings.postgres.model_copy(update={"retention_days": 90})
    return settings.model_copy(update={"postgres": postgres})


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (None, f"the tables are now at version {NEEDED}; before: none"),
        ("0001", f"the tables are now at version {NEEDED}; before: 0001"),
        (NEEDED, f"the tables are already at version {NEEDED}"),
    ],
)
def test_a_migration_reports_the_old_and_the_new_version(
    before: str | None, line: str, database: Database, settings: Settings
) -> None:
    database.before = before
    assert invoke("postgres", "migrate", settings=settings).stdout == f"{line}\n"
    assert objects("postgres", "migrate", settings=settings) == [{"before": before, "now": NEEDED}]


@pytest.mark.parametrize(
    ("found", "code", "line"),
    [
        (NEEDED, 0, f"the tables are at version {NEEDED}, as required"),
        (None, 1, f"the tables are at version none, but version {NEEDED} is required: run tagpulse postgres migrate"),
        ("0001", 1, f"the tables are at version 0001, but version {NEEDED} is required: run tagpulse postgres migrate"),
    ],
)
def test_a_check_fails_on_any_other_version(
    found: str | None, code: int, line: str, database: Database, settings: Settings
) -> None:
    database.version = found
    assert invoke("postgres", "check", settings=settings, code=code).stdout == f"{line}\n"
    assert objects("postgres", "check", settings=settings, code=code) == [{"found": found, "needed": NEEDED}]
    assert not database.is_open


def test_pruning_shows_its_plan(database: Database, settings: Settings) -> None:
    lines = invoke("postgres", "prune", settings=settings).stdout.splitlines()
    assert lines[:2] == [
        "posts_2025_01: 1000 posts, 3.0 MiB, before 2025-02-01, to be dropped",
        "posts_2025_02: 10 posts, 0.5 MiB, before 2025-03-01, to be dropped",
    ]
    assert lines[2].startswith("7 deletions before ")
    assert lines[2].endswith(", to be dropped")
    assert lines[3:] == ["nothing was dropped: add --execute to drop them"]
    assert (database.dropped, database.is_open) == ([], False)


def test_pruning_drops_with_execute(database: Database, settings: Settings) -> None:
    lines = invoke("postgres", "prune", "--execute", settings=settings).stdout.splitlines()
    assert [line.rpartition(", ")[2] for line in lines] == ["dropped"] * 3
    assert database.dropped == ["posts_2025_01", "posts_2025_02", "deletions"]


def test_pruning_as_json(database: Database, settings: Settings) -> None:
    first, second, deletions = objects("postgres", "prune", settings=settings)
    assert first == {
        "table": "posts_2025_01",
        "until": "2025-02-01T00:00:00+00:00",
        "posts": 1_000,
        "size_bytes": 3 * 2**20,
        "dropped": False,
    }
    assert second["table"] == "posts_2025_02"
    assert deletions.keys() == {"deletions", "until", "dropped"}
    assert deletions["deletions"] == 7


def test_pruning_nothing(database: Database, settings: Settings) -> None:
    database.months, database.deletions = [], 0
    assert invoke("postgres", "prune", settings=settings).stdout == "no month is entirely older than 90 days\n"
    assert json.loads(invoke("postgres", "prune", "--json", settings=settings).stdout)["deletions"] == 0


def test_pruning_requires_a_retention_and_current_tables(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="set TAGPULSE_POSTGRES__RETENTION_DAYS"):
        invoke("postgres", "prune", settings=own_settings("127.0.0.1:1", tmp_path))
    database.version = "9999"
    with pytest.raises(SettingsError, match="install the tagpulse that ran"):
        invoke("postgres", "prune", "--execute", settings=settings)
    assert (database.dropped, database.is_open) == ([], False)
