"""Where a lake lies: whole files below one place, on a local disk or in an object store."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.fs as pafs

from streams.errors import SettingsError, Unavailable
from streams.sinks.lake.folders import KINDS, POSTS

VARIABLE = "TAGPULSE_LAKE__PATH"
_HIDDEN = re.compile(r"\.[0-9a-f]{32}\.part")
_STALE_SECONDS = 3_600.0


class Storage(ABC):
    """Whole files below one place; names are relative to it, with `/` between.

    Every method may raise Unavailable when the place is away or full, and Refused when it says no for good.
    """

    def __init__(self, place: str, filesystem: pafs.FileSystem, root: str) -> None:
        self.place = place
        """As the setting names it."""
        self.filesystem = filesystem
        self._root = root

    def full(self, name: str) -> str:
        """The file as `filesystem` names it."""
        return f"{self._root}/{name}"

    @abstractmethod
    def faults(self, doing: str) -> AbstractContextManager[None]:
        """Turns what the file system raises in the block into Unavailable or Refused; FileNotFoundError passes."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes the place usable, and tidies what a crashed writer left."""

    @abstractmethod
    def require(self) -> None:
        """Raise SettingsError if there is no lake, so that a wrong path is not mistaken for an empty lake."""

    @abstractmethod
    def files(self, folder: str) -> list[str]:
        """The visible files below a folder, at any depth, sorted; none where there is no such folder."""

    @abstractmethod
    def write(self, name: str, content: Any) -> None:
        """Makes a file, durable and visible as a whole or not at all. `content` is a buffer of pyarrow."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Removes a file; one that is gone already is no fault."""

    @abstractmethod
    def delete_folder(self, folder: str) -> None:
        """Removes a folder with all that is in it."""

    def read(self, name: str) -> Any:
        """The file, open for reading (a NativeFile of pyarrow). Raises FileNotFoundError."""
        with self.faults("read"):
            return self.filesystem.open_input_file(self.full(name))

    def sizes(self, names: Sequence[str]) -> list[int]:
        """Bytes of each file, 0 for one that is gone."""
        with self.faults("read"):
            return [info.size or 0 for info in self.filesystem.get_file_info([self.full(name) for name in names])]


class LocalStorage(Storage):
    """A folder: files are written under a hidden name, synced, and renamed."""

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
                # what a crashed writer left; a younger file may belong to a writer at work
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
            # a scan of a folder is no snapshot: it can miss both a file that is replaced and what replaces it
            while (again := self._scan(folder)) != found:
                found = again
            return found

    def _scan(self, folder: str) -> list[str]:
        found = []
        for directory, folders, names in os.walk(self.path / folder, onerror=_unless_gone):
            # the folders of a lake are KEY=VALUE: what somebody else put beside them may be closed to us
            folders[:] = [name for name in folders if "=" in name and not name.startswith(".")]
            base = PurePosixPath(directory).relative_to(self.path)
            # a link that leads nowhere is no file, nor is a pipe
            found += [str(base / name) for name in names if name[0] != "." and os.path.isfile(f"{directory}/{name}")]  # noqa: PTH113
        return sorted(found)

    def write(self, name: str, content: Any) -> None:
        target = self.path / name
        # not named by the process: writers in two containers have the same number
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
            _sync(target.parent)
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
        above = (self.path / folder).parent
        if above.parent != self.path:
            with contextlib.suppress(OSError):  # other hours of the day are left
                above.rmdir()

    def _unavailable(self, doing: str, error: OSError) -> Unavailable:
        return Unavailable(f"the lake {self.place} ({VARIABLE}) cannot be {doing}: {error}")


def no_lake(place: str) -> SettingsError:
    """What to raise where no lake is."""
    return SettingsError(
        f"{VARIABLE}: there is no lake in {place}: set it to the folder or address that `tagpulse worker store` writes to"
    )


def open_lake(place: Path | str) -> Storage:
    """The storage of a lake that is there. Raises SettingsError where none is, Unavailable and Refused."""
    storage = open_storage(place)
    storage.require()
    return storage


def open_storage(place: Path | str) -> Storage:
    """The storage of the setting `TAGPULSE_LAKE__PATH`; connects to nothing yet. Raises SettingsError."""
    if isinstance(place, Path):
        return LocalStorage(place)
    from streams.sinks.lake.object_store import ObjectStorage

    return ObjectStorage(place)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_parents(directory: Path, root: Path) -> None:
    while directory != root:
        directory = directory.parent
        _sync(directory)
