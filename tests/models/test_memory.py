import ctypes
import platform
import subprocess
import sys

import pytest

from models.memory import give_memory_back

LEAST_RETURNED = 50_000_000
PROGRAM = """
import resource
from pathlib import Path
from models.memory import give_memory_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

blocks = [b"x" * 1_000 + str(number).encode() for number in range(100_000)]
kept = blocks[-1]  # keeps glibc from returning the others by itself
del blocks
before = resident()
give_memory_back()
print(before - resident())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory"
)
def test_freed_memory_is_returned_to_the_system() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60)
    assert int(result.stdout) > LEAST_RETURNED


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a function of glibc was looked for")

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    give_memory_back()
