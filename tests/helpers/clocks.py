"""A wall clock that a test can step, for processes that run with its environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("stepped_clock.c")


class SteppedClock:
    """A clock that is right until `step` is called. Skips the test where the clock of a process cannot be stepped."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            pytest.skip("stepping the clock of a process needs Linux and a C compiler")
        library, self._file = folder / "stepped_clock.so", folder / "clock"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE], check=True)
        self.env = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self._file)}
        """The environment of the processes that use this clock."""
        self.step(0)

    def step(self, seconds: int) -> None:
        """Make the clock wrong by `seconds` from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._file)
