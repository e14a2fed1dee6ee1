"""The saved states of replays: one file per run in the state folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import BadInput, SettingsError
from streams.files import try_lock, write_durably
from streams.replay.manifest import Manifest
from streams.replay.reader import Bounds


class ReplaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay was asked to do; two replays of the same name must have equal ones."""

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
    """Return the fields of a spec that are set, except its origin."""
    return {name: value for name, value in msgspec.to_builtins(order).items() if value and name != "origin"}


class State(msgspec.Struct, kw_only=True):
    """A started replay, and its manifest once it is done."""

    order: ReplaySpec
    bounds: list[Bounds]
    """The offsets to read, fixed when the replay was started."""
    started_at: str
    manifest: Manifest | None = None


class StateFolder:
    """The states of all replays in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "runs"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def load(self, run: str) -> State | None:
        """Return the state of a run, or None if it was never started here.

        Raises:
            SettingsError: The state cannot be read.
        """
        path = self._path(run)
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise SettingsError(
                f"{path}: not a valid replay state: {error}: remove the file, or drop the run"
            ) from error

    def save(self, run: str, state: State) -> None:
        """Write the state to disk; a crash leaves either the old or the new state intact. Raises SettingsError."""
        path = self._path(run)
        try:
            write_durably(path, msgspec.json.format(msgspec.json.encode(state)))
        except OSError as error:
            raise SettingsError(f"TAGPULSE_PRODUCE__STATE_PATH: {path} cannot be written: {error}") from error

    def drop(self, run: str) -> None:
        self._path(run).unlink(missing_ok=True)

    def logs(self, run: str) -> Path:
        """Return the folder for the logs of the workers of a run."""
        return self._folder / f"{run}.logs"

    @contextmanager
    def only_one(self, run: str) -> Iterator[None]:
        """Hold a lock on a run for the duration of the block.

        Raises:
            BadInput: Another process is replaying the run.
            SettingsError: The state folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = try_lock(self._folder / f"{run}.lock")
        except OSError as error:
            raise SettingsError(f"TAGPULSE_PRODUCE__STATE_PATH: {self._folder} cannot be written: {error}") from error
        if lock is None:
            raise BadInput(f"the run {run} is being replayed by another process: stop it, or wait until it ends")
        try:
            yield
        finally:
            lock.release()

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.json"
