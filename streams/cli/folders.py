"""The folder that a trial on this machine works in."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streams.errors import BadInput, TagpulseError


@contextlib.contextmanager
def trial_folder(keep: Path | None, command: str) -> Iterator[Path]:
    """The folder of a command that plays everything on this machine: `keep`, new or empty, or a temporary one.

    A temporary one stays only when the command failed, for its logs. Raises BadInput for a folder that cannot be used.
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
            raise BadInput(f"--keep {keep}: the folder is not empty: name a new one")
    except OSError as error:
        raise BadInput(f"--keep {keep}: cannot be used: {error}") from None
    yield keep.resolve()
