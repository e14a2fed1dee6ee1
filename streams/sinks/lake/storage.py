"""The contract of a lake's storage, which reads and writes whole files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow.fs as pafs

from streams.errors import SettingsError

VARIABLE = "TAGPULSE_LAKE__PATH"


class Storage(ABC):
    """Whole files below a root; file names are relative to it and use `/` as the separator.

    Every method may raise Unavailable if the storage is unreachable or full, and Refused if it rejects the request in a
    way that retrying cannot fix.
    """

    def __init__(self, place: str, filesystem: pafs.FileSystem, root: str) -> None:
        self.place = place
        """The root as written in the setting."""
        self.filesystem = filesystem
        self._root = root

    def full(self, name: str) -> str:
        """Return the path of a file in `filesystem`."""
        return f"{self._root}/{name}"

    @abstractmethod
    def faults(self, doing: str) -> AbstractContextManager[None]:
        """Translate errors of the file system in the block into Unavailable or Refused, except FileNotFoundError."""

    @abstractmethod
    def prepare(self) -> None:
        """Create the root if necessary, and clean up after crashed writers."""

    @abstractmethod
    def require(self) -> None:
        """Raise SettingsError if there is no lake, so that a wrong path does not pass for an empty lake."""

    @abstractmethod
    def files(self, folder: str) -> list[str]:
        """Return the sorted names of all visible files below a folder, at any depth; none if there is no folder."""

    @abstractmethod
    def write(self, name: str, content: Any) -> None:
        """Write a file atomically and durably. `content` is a pyarrow buffer."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file if it exists."""

    @abstractmethod
    def delete_folder(self, folder: str) -> None:
        """Remove a folder and everything in it."""

    def read(self, name: str) -> Any:
        """Open a file for reading, as a pyarrow NativeFile. Raises FileNotFoundError."""
        with self.faults("read"):
            return self.filesystem.open_input_file(self.full(name))

    def sizes(self, names: Sequence[str]) -> list[int]:
        """Return the size of each file in bytes, 0 if it no longer exists."""
        with self.faults("read"):
            return [info.size or 0 for info in self.filesystem.get_file_info([self.full(name) for name in names])]


def no_lake(place: str) -> SettingsError:
    """Return the error for a place that holds no lake."""
    return SettingsError(
        f"{VARIABLE}: there is no lake in {place}: "
        "set it to the folder or address that `tagpulse worker store` writes to"
    )
