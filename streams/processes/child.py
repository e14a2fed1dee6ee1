"""A child process that ends with this one, however this one ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Runs in the child before it becomes the command, so that the command keeps the pid. Done here and not in `preexec_fn`,
# which is unsafe where there are threads.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]): sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""
_TAIL_CHARACTERS = 2_000


def spawn(command: Sequence[str], log: Path | None, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a command that writes its output and errors to the end of `log`; None: where this process writes its own.

    On Linux the kernel kills it when the thread that started it ends, however that happens: start it from a thread that
    stays. Elsewhere a killed parent leaves it behind. Ctrl-C in the terminal does not reach it: its owner stops it.
    """
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    with log.open("ab") if log else contextlib.nullcontext() as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=dict(environment),
            start_new_session=True,
        )


def log_tail(log: Path) -> str:
    """The end of a log, for an error message."""
    text = log.read_text(errors="replace")[-_TAIL_CHARACTERS:].strip()
    return f"{text or 'it said nothing'} (whole log: {log})"
