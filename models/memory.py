"""Memory management of the process."""

import ctypes
import platform


def give_memory_back() -> None:
    """Return freed memory to the operating system; otherwise glibc keeps tens of MB after a model is loaded."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
