"""A wall clock that a test steps, for the processes that see its environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("stepped_clock.c")


class SteppedClock:
    """Skips the test where the clock of a process cannot be stepped."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            pytest.skip("stepping the clock of a process needs Linux and a C compiler")
        library, self._file = folder / "stepped_clock.so", folder / "clock"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE], check=True)
        self.env = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self._file)}
        """For the processes whose clock it is to be."""
        self.step(0)

    def step(self, seconds: int) -> None:
        """From now on the clock is wrong by this much."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._file)
