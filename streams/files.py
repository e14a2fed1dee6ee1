"""The files that tagpulse writes: private to its user, replaced as a whole, and used by one process at a time."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

_OTHERS = 0o077


def keep_files_private() -> None:
    """Make the files (0600) and folders (0700) created by this process and its children private to the user.

    They contain posts, authors and addresses. This sets the umask and not the mode of each file, so that the default ACL of a folder, if there is one, can still
    grant access to others.
    """
    os.umask(_OTHERS)


def own_temporary_folder(name: str) -> Path:
    """Create a new temporary folder for this process, which is removed on exit; no other user can have prepared it."""
    folder = tempfile.TemporaryDirectory(prefix=f"tagpulse-{name}-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file and return once it is on disk; a crash leaves either the old or the new content. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> BaseFileLock | None:
    """Return a lock that is held until it is released or forgotten, or None if another process holds it. Raises OSError."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
