"""The processor that trains: a CUDA device if there is one, otherwise the CPUs."""

from functools import cache
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
"""The file that lists what the CPUs can do; only Linux has it."""

_BF16 = frozenset({"avx512_bf16", "amx_bf16"})


@cache
def device() -> torch.device:
    """Return the device to train on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast() -> torch.autocast:
    """Return a context that multiplies matrices in bf16 where the processor has instructions for it.

    Without them, bf16 is several times slower than f32.
    """
    return torch.autocast(device().type, torch.bfloat16, enabled=device().type == "cuda" or has_bf16())


@cache
def has_bf16() -> bool:
    """Return whether the CPUs have instructions that multiply matrices in bf16."""
    try:
        return not _BF16.isdisjoint(CPUINFO.read_text("utf-8", "replace").split())
    except OSError:
        return False
