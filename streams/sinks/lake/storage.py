"""The contract of a lake's storage: whole files below one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow.fs as pafs

from streams.errors import SettingsError

VARIABLE = "TAGPULSE_LAKE__PATH"


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


def no_lake(place: str) -> SettingsError:
    """What to raise where no lake is."""
    return SettingsError(
        f"{VARIABLE}: there is no lake in {place}: set it to the folder or address that `tagpulse worker store` writes to"
    )
