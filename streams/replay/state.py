"""What is remembered of a replay between its start and its end: a file in the state folder, one a run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import BadInput, SettingsError
from streams.replay.manifest import Manifest
from streams.replay.reader import Bounds


class ReplaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for: the same name with another order is another replay."""

    origin: str
    """`raw`, `lake` or the paths of files."""
    since: str | None = None
    until: str | None = None
    hashtags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    offsets: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    unwatched: bool = False


def selection_of(order: ReplaySpec) -> dict[str, Any]:
    """What an order asks for beside its origin, without what it leaves open."""
    return {name: value for name, value in msgspec.to_builtins(order).items() if value and name != "origin"}


class State(msgspec.Struct, kw_only=True):
    """A replay that was begun, and its manifest once it is done."""

    order: ReplaySpec
    bounds: list[Bounds]
    """What is read, as it was when the replay began."""
    started_at: str
    manifest: Manifest | None = None


class StateFolder:
    """The states of all replays, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "runs"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def load(self, run: str) -> State | None:
        """None when the run was never begun here. Raises SettingsError when what stands there cannot be read."""
        path = self._path(run)
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise SettingsError(f"{path}: no state of a replay: {error}: remove it, or drop the run") from error

    def save(self, run: str, state: State) -> None:
        """Returns when it is on the disk; a crash leaves the old or the new state whole. Raises SettingsError."""
        path = self._path(run)
        draft = path.with_suffix(".new")
        try:
            with draft.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(state)))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise SettingsError(f"TAGPULSE_PRODUCE__STATE_PATH: {path} cannot be written: {error}") from error

    def drop(self, run: str) -> None:
        self._path(run).unlink(missing_ok=True)

    def logs(self, run: str) -> Path:
        """The folder of the logs of its workers."""
        return self._folder / f"{run}.logs"

    @contextmanager
    def only_one(self, run: str) -> Iterator[None]:
        """Keeps a second replay of the same run out. Raises BadInput, SettingsError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / f"{run}.lock").open("wb")
        except OSError as error:
            raise SettingsError(f"TAGPULSE_PRODUCE__STATE_PATH: {self._folder} cannot be written: {error}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BadInput(f"the run {run} is being replayed by another process") from None
            yield

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.json"
