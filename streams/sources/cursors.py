"""Saved cursors, from which sources resume after a restart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from streams.errors import SettingsError
from streams.files import try_lock, write_durably


class Cursor:
    """A cursor file in the state folder, replaced atomically so that a crash leaves either the old or the new one.

    Only one process may use it: each of two processes would skip contents that the other has not sent yet.
    """

    def __init__(self, folder: Path, source: str, identity: str) -> None:
        """Open and lock the cursor file of a source.

        Args:
            folder: The state folder; created if missing.
            source: Name of the source.
            identity: What the cursor belongs to, e.g. the address of the server.

        Raises:
            SettingsError: The folder cannot be written, or another process uses the cursor.
        """
        name = f"{source}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        self._path = folder / f"{name}.cursor"
        self._identity = identity
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = try_lock(folder / f"{name}.lock")
        except OSError as error:
            raise SettingsError(
                f"TAGPULSE_PRODUCE__STATE_PATH: {folder} cannot be written ({error.strerror}): name a writable folder"
            ) from None
        if lock is None:
            raise SettingsError(
                f"TAGPULSE_PRODUCE__STATE_PATH: another process already reads {identity} with the folder {folder}: "
                "give this process a folder of its own"
            )
        self._lock = lock

    def load(self) -> str | None:
        """Return the last saved cursor, or None if there is none.

        Raises:
            SettingsError: The file cannot be read.
        """
        try:
            saved = json.loads(self._path.read_text(encoding="utf-8"))
            cursor: str = saved["cursor"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{self._path}: the saved cursor cannot be read ({error!r}): delete this file to start without it"
            ) from None
        return cursor

    def save(self, cursor: str) -> None:
        """Save the cursor and return once it is on disk.

        Raises:
            OSError: The file cannot be written.
        """
        write_durably(self._path, json.dumps({"for": self._identity, "cursor": cursor}).encode())

    def close(self) -> None:
        """Release the lock, so that another process can use the cursor."""
        self._lock.release()
