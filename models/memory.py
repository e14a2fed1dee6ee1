"""Memory of the process."""

import ctypes
import platform


def give_memory_back() -> None:
    """Release freed memory to the operating system: after loading a model, glibc keeps tens of MB of it."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
