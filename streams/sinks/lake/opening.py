"""Open the lake that the settings name."""

from __future__ import annotations

from pathlib import Path

from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.object_store import ObjectStorage
from streams.sinks.lake.storage import Storage


def open_lake(place: Path | str) -> Storage:
    """The storage of a lake that is there. Raises SettingsError where none is, Unavailable and Refused."""
    storage = open_storage(place)
    storage.require()
    return storage


def open_storage(place: Path | str) -> Storage:
    """The storage of the setting `TAGPULSE_LAKE__PATH`; connects to nothing yet. Raises SettingsError."""
    if isinstance(place, Path):
        return LocalStorage(place)
    return ObjectStorage(place)
