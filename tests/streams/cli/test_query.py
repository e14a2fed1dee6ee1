from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "lake").mkdir()
    return own_settings("127.0.0.1:1", tmp_path)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1::bigint", 1),
        ("true", True),
        ("null", None),
        ("'a'", "a"),
        ("1.5::double", 1.5),
        ("'nan'::double", None),
        ("'-inf'::double", None),
        ("2.00::decimal(9, 2)", 2),
        ("2.50::decimal(9, 2)", 2.5),
        ("170141183460469231731687303715884105727::hugeint", 2**127 - 1),
        ("timestamptz '2026-06-20 11:30:00+02'", "2026-06-20T09:30:00Z"),
        ("timestamp '2026-06-20 11:30:00'", "2026-06-20T11:30:00"),
        ("date '2026-06-20'", "2026-06-20"),
        ("time '11:30:00'", "11:30:00"),
        ("interval 90 minute", "1:30:00"),
        (r"'\xff\x00'::blob", "ff00"),
        ("[date '2026-06-20', null]", ["2026-06-20", None]),
        ("{'a': 1, 'b': ['x']}", {"a": 1, "b": ["x"]}),
        ("map {1: 'x'}", {"1": "x"}),
        ("uuid '12345678-1234-5678-1234-567812345678'", "12345678-1234-5678-1234-567812345678"),
    ],
)
def test_every_kind_of_value_becomes_json(settings: Settings, sql: str, value: Any) -> None:
    assert objects("query", f"select {sql} as value", settings=settings) == [{"value": value}]


def test_a_table_has_no_more_rows_than_requested(settings: Settings) -> None:
    sql = "select range as number from range(5)"
    whole = invoke("query", sql, settings=settings).stdout
    assert all(f"│ {number} " in whole for number in range(5))
    assert "only the first" not in whole
    cut = invoke("query", "--limit", "3", sql, settings=settings).stdout
    assert "│ 3 " not in cut
    assert "only the first 3 rows are shown; use --limit or --json for more" in cut
    assert len(objects("query", "--limit", "3", sql, settings=settings)) == 5, "the limit applies to tables only"


def test_a_table_shows_values_as_text(settings: Settings) -> None:
    sql = "select null as nothing, 'a' as word, [1, 2] as list, chr(27) || '[2J' as \"[red]\""
    shown = invoke("query", sql, settings=settings).stdout
    assert "[1, 2]" in shown
    assert "[red]" in shown, "a name is not markup"
    assert r"\x1b[2J" in shown
    assert "None" not in shown
    assert "null" not in shown


def test_json_escapes_terminal_control_characters(settings: Settings) -> None:
    written = invoke("query", "--json", "select chr(27) as value", settings=settings).stdout
    assert written.strip().isprintable()
    assert json.loads(written) == {"value": "\x1b"}
