"""The saved cursor of a source: where it goes on after a restart."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

from streams.errors import SettingsError


class Cursor:
    """A file in the state folder, written so that a crash leaves the old or the new one whole.

    Only one process may use it: two that save to the same place would each skip what the other has not sent.
    """

    def __init__(self, folder: Path, source: str, identity: str) -> None:
        """`identity`: what the cursor is good for, e.g. the address of the server. Raises SettingsError."""
        name = f"{source}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        self._path = folder / f"{name}.cursor"
        self._identity = identity
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / f"{name}.lock").open("wb")
        except OSError as error:
            raise SettingsError(f"produce.state_path {folder}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SettingsError(
                f"produce.state_path {folder}: another process already reads {identity}: give this one a folder of its own"
            ) from None

    def load(self) -> str | None:
        """The cursor saved last, None when there is none. Raises SettingsError when it cannot be read."""
        try:
            saved = json.loads(self._path.read_text(encoding="utf-8"))
            cursor: str = saved["cursor"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{self._path}: no saved cursor can be read ({error!r}): remove it to start anew"
            ) from None
        return cursor

    def save(self, cursor: str) -> None:
        """Returns when it is on the disk. Raises OSError."""
        draft = self._path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"for": self._identity, "cursor": cursor}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Lets another process use it."""
        self._lock.close()
