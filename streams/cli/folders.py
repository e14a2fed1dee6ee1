"""The working folder of a trial run on this machine."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streams.errors import BadInput, TagpulseError


@contextlib.contextmanager
def trial_folder(keep: Path | None, command: str) -> Iterator[Path]:
    """Yield the working folder: `keep`, which must be new or empty, or else a temporary folder.

    A temporary folder is kept only if the command fails with a TagpulseError, so that its logs can be read.

    Raises:
        BadInput: If `keep` cannot be used.
    """
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix=f"tagpulse-{command}-"))
        try:
            yield folder
        except TagpulseError:
            raise
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if next(keep.iterdir(), None) is not None:
            raise BadInput(f"--keep {keep}: the folder is not empty: choose a new or an empty one")
    except OSError as error:
        raise BadInput(f"--keep {keep}: cannot be used: {error}") from None
    yield keep.resolve()
