"""Detects the processor's instructions for low-precision arithmetic."""

import os
import platform
import subprocess
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})
_ARM_DOT_PRODUCTS = "asimddp"
_TILES = "amx_bf16"
_LIMIT = "ONEDNN_MAX_CPU_ISA"
"""Environment variable that limits the instructions OpenVINO uses, e.g. to emulate an older processor in tests."""

_LIMITS_WITHOUT_VNNI = frozenset({"SSE41", "AVX", "AVX2", "AVX512_CORE"})
_LIMITS_WITHOUT_TILES = _LIMITS_WITHOUT_VNNI | {
    "AVX2_VNNI",
    "AVX2_VNNI_2",
    "AVX512_CORE_VNNI",
    "AVX512_CORE_BF16",
    "AVX512_CORE_FP16",
}
_SYSCTL = ("/usr/sbin/sysctl", "-n", "hw.optional.arm.FEAT_DotProd")


def int8_instructions() -> str | None:
    """Return the name of the processor's int8 dot-product instructions, or None if none are detected.

    Without them, int8 is slower than f32 and, where sums saturate, less accurate.
    """
    if _limit() in _LIMITS_WITHOUT_VNNI:
        return None
    if platform.system() == "Darwin":
        return "int8 dot products" if platform.machine() == "arm64" and _mac_has_dot_products() else None
    try:
        return from_cpuinfo(_CPUINFO.read_text("utf-8", "replace"))
    except OSError:
        return None


def from_cpuinfo(text: str) -> str | None:
    """Return the name of the int8 dot-product instructions listed in Linux's `/proc/cpuinfo` (x86 or ARM), or None.

    Every core must have them, because a thread may move between cores.
    """
    cores = [
        set(line.partition(":")[2].split()) for line in text.splitlines() if line.startswith(("flags", "Features"))
    ]
    if not cores:
        return None
    if all(core & _VNNI for core in cores):
        return "VNNI"
    return "int8 dot products" if all(_ARM_DOT_PRODUCTS in core for core in cores) else None


def has_bf16_tiles() -> bool:
    """Return whether the processor multiplies bf16 matrices in tiles (AMX), no slower than int8 and more accurate."""
    if _limit() in _LIMITS_WITHOUT_TILES:
        return False
    try:
        return _TILES in _CPUINFO.read_text("utf-8", "replace").split()
    except OSError:
        return False


def _limit() -> str:
    return os.environ.get(_LIMIT, "").upper()


def _mac_has_dot_products() -> bool:
    try:
        answer = subprocess.run(_SYSCTL, capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == b"1"
