"""What tagpulse writes is for its own user alone: posts, authors and addresses stand in it."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

_OTHERS = 0o077


def keep_files_private() -> None:
    """Makes every file (0600) and folder (0700) of this process, and of those that it starts, its user's alone.

    A mask and not a mode for each file: the default ACL of a folder, where somebody set one, still lets others in.
    """
    os.umask(_OTHERS)


def own_temporary_folder(name: str) -> Path:
    """A new folder of this process, removed when it ends; nobody else can have made it before."""
    folder = tempfile.TemporaryDirectory(prefix=f"tagpulse-{name}-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
