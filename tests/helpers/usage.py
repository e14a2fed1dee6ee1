"""The resources that a process uses: memory, threads and file handles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Usage:
    """The usage of one process at one moment."""

    memory_mib: float
    threads: int
    handles: int


def usage(pid: int) -> Usage:
    """Return the present usage of a running process."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib, threads = (int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("VmRSS", "Threads"))  # type: ignore[index]
    return Usage(kib / 1024, threads, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def growth(samples: list[Usage]) -> Usage:
    """Return the medians of the last third minus those of the middle third; the first third is the warm-up."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[-third:]
    names = ("memory_mib", "threads", "handles")
    before, after = ([median(getattr(each, name) for each in part) for name in names] for part in (middle, last))
    return Usage(after[0] - before[0], int(after[1] - before[1]), int(after[2] - before[2]))
