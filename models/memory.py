"""What a process holds of its machine's memory."""

import ctypes
import platform


def give_memory_back() -> None:
    """Return to the system what was needed only to read and compile a model: glibc keeps tens of MB of it."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
