"""Keeps the files that tagpulse writes private to its user, since they contain posts, authors and addresses."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

_OTHERS = 0o077


def keep_files_private() -> None:
    """Make the files (0600) and folders (0700) created by this process and its children private to the user.

    This sets the umask and not the mode of each file, so that the default ACL of a folder, if there is one, can still
    grant access to others.
    """
    os.umask(_OTHERS)


def own_temporary_folder(name: str) -> Path:
    """Create a new temporary folder for this process, which is removed on exit; no other user can have prepared it."""
    folder = tempfile.TemporaryDirectory(prefix=f"tagpulse-{name}-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
