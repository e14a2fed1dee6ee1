"""Saved cursors are durable, exclusive to one process, and report clearly what is wrong."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.sources.cursors import Cursor


def test_cursors_survive_a_restart_and_are_kept_separately(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    cursor = Cursor(folder, "bluesky", "wss://a")
    assert cursor.load() is None
    cursor.save("41")
    cursor.save("42")
    cursor.close()
    with closing(Cursor(folder, "bluesky", "wss://a")) as again, closing(Cursor(folder, "bluesky", "wss://b")) as other:
        assert again.load() == "42"
        assert other.load() is None


def test_a_cursor_belongs_to_one_process(tmp_path: Path) -> None:
    first = Cursor(tmp_path, "bluesky", "wss://a")
    with pytest.raises(SettingsError, match="another process already reads wss://a"):
        Cursor(tmp_path, "bluesky", "wss://a")
    first.close()
    Cursor(tmp_path, "bluesky", "wss://a").close()


def test_unreadable_and_unwritable_files_are_named(tmp_path: Path) -> None:
    with closing(Cursor(tmp_path, "bluesky", "wss://a")) as cursor:
        cursor.save("1")
        (saved,) = tmp_path.glob("*.cursor")
        saved.write_text("{}")
        with pytest.raises(SettingsError, match="delete this file to start without it"):
            cursor.load()
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="TAGPULSE_PRODUCE__STATE_PATH"):
        Cursor(tmp_path / "file", "bluesky", "wss://a")
