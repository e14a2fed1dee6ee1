"""A disk for one test, small enough to fill."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BLOCK = bytes(1 << 20)


class SmallDisk:
    """A disk that is mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def resize(self, size: str) -> None:
        """Change the size, given as for `mount`, such as `200m`."""
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.path)], check=True)

    def fill(self) -> None:
        """Fill the free space, even while others write."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(_BLOCK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Free the space that `fill` took."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of this size. Skip the test if this user is not allowed to mount one."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tagpulse-tests", str(at)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(at)
    finally:
        subprocess.run(["umount", str(at)], check=True)
