"""Saved cursors are durable, exclusive to one process, and report clearly what is wrong."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.sources.cursors import Cursor


def test_is_there_again_after_a_restart_and_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    cursor = Cursor(folder, "bluesky", "wss://a")
    assert cursor.load() is None
    cursor.save("41")
    cursor.save("42")
    cursor.close()
    with closing(Cursor(folder, "bluesky", "wss://a")) as again, closing(Cursor(folder, "bluesky", "wss://b")) as other:
        assert again.load() == "42"
        assert other.load() is None


def test_belongs_to_one_process(tmp_path: Path) -> None:
    first = Cursor(tmp_path, "bluesky", "wss://a")
    with pytest.raises(SettingsError, match="another process already reads wss://a"):
        Cursor(tmp_path, "bluesky", "wss://a")
    first.close()
    Cursor(tmp_path, "bluesky", "wss://a").close()


def test_says_what_cannot_be_read_or_written(tmp_path: Path) -> None:
    with closing(Cursor(tmp_path, "bluesky", "wss://a")) as cursor:
        cursor.save("1")
        (saved,) = tmp_path.glob("*.cursor")
        saved.write_text("{}")
        with pytest.raises(SettingsError, match="delete this file to start without it"):
            cursor.load()
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="TAGPULSE_PRODUCE__STATE_PATH"):
        Cursor(tmp_path / "file", "bluesky", "wss://a")
