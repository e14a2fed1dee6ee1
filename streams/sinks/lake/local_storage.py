"""A lake in a local folder."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.fs as pafs

from streams.errors import Unavailable
from streams.files import sync_folder
from streams.sinks.lake.folders import KINDS, POSTS
from streams.sinks.lake.storage import VARIABLE, Storage, no_lake

_HIDDEN = re.compile(r"\.[0-9a-f]{32}\.part")
_STALE_SECONDS = 3_600.0


class LocalStorage(Storage):
    """A local folder, in which files are written under a hidden name, synced, and then renamed."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), pafs.LocalFileSystem(), str(path.absolute()))
        self.path = path.absolute()

    @contextlib.contextmanager
    def faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unavailable(doing, error) from error

    def prepare(self) -> None:
        try:
            (self.path / POSTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unavailable("used", error) from error
        for directory, _, names in os.walk(self.path):
            for left in (Path(directory, name) for name in names if _HIDDEN.fullmatch(name)):
                # left by a crashed writer; a younger file may belong to a running one
                with contextlib.suppress(OSError):
                    found = left.lstat()
                    if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime > _STALE_SECONDS:
                        left.unlink()

    def require(self) -> None:
        with self.faults("read"):
            if self.path.is_dir() and (
                not any(self.path.iterdir()) or any((self.path / kind).is_dir() for kind in KINDS)
            ):
                return
        raise no_lake(self.place)

    def files(self, folder: str) -> list[str]:
        with self.faults("read"):
            found = self._scan(folder)
            # a scan is not a snapshot: it can miss both a file that is being replaced and its replacement
            while (again := self._scan(folder)) != found:
                found = again
            return found

    def _scan(self, folder: str) -> list[str]:
        found = []
        for directory, folders, names in os.walk(self.path / folder, onerror=_unless_gone):
            # the folders of a lake are named KEY=VALUE; others may not be readable
            folders[:] = [name for name in folders if "=" in name and not name.startswith(".")]
            base = PurePosixPath(directory).relative_to(self.path)
            # isfile() excludes dangling links and pipes
            visible = [name for name in names if name[0] != "."]
            found += [str(base / name) for name in visible if os.path.isfile(f"{directory}/{name}")]  # noqa: PTH113
        return sorted(found)

    def write(self, name: str, content: Any) -> None:
        target = self.path / name
        # not named after the process id, which can be equal in two containers
        hidden = target.with_name(f".{secrets.token_hex(16)}.part")
        try:
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                _sync_parents(target.parent, self.path)
            with hidden.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            hidden.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
            raise self._unavailable("written", error) from error

    def delete(self, name: str) -> None:
        with self.faults("written"):
            (self.path / name).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError), self.faults("written"):
            self.filesystem.delete_dir(self.full(folder))
        parent = (self.path / folder).parent
        if parent.parent != self.path:
            with contextlib.suppress(OSError):  # it still holds other hours of the day
                parent.rmdir()

    def _unavailable(self, doing: str, error: OSError) -> Unavailable:
        return Unavailable(f"the lake {self.place} ({VARIABLE}) cannot be {doing}: {error}")


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync_parents(directory: Path, root: Path) -> None:
    while directory != root:
        directory = directory.parent
        sync_folder(directory)
