"""Open the storage of the lake."""

from __future__ import annotations

from pathlib import Path

from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.object_store import ObjectStorage
from streams.sinks.lake.storage import Storage


def open_lake(place: Path | str) -> Storage:
    """Return the storage of an existing lake. Raises SettingsError if there is none, Unavailable and Refused."""
    storage = open_storage(place)
    storage.require()
    return storage


def open_storage(place: Path | str) -> Storage:
    """Return the storage for a value of `TAGPULSE_LAKE__PATH`, without connecting to it yet. Raises SettingsError."""
    if isinstance(place, Path):
        return LocalStorage(place)
    return ObjectStorage(place)
