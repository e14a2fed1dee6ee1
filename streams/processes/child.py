"""Child processes that end when this process ends, for whatever reason."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Runs in the child, which then executes the command and so keeps its process id. `preexec_fn` would be unsafe in a
# process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]): sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""
_TAIL_CHARACTERS = 2_000


def spawn(command: Sequence[str], log: Path | None, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command.

    On Linux the kernel kills it when the thread that started it ends for any reason, so start it from a thread that
    lives long enough. On other systems it survives if its parent is killed. Ctrl-C in the terminal does not reach it:
    its owner must stop it.

    Args:
        command: The program and its arguments.
        log: The file to which its standard output and error are appended; None uses those of this process.
        environment: Its environment variables.
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


def ask(address: str, path: str, timeout: float) -> tuple[int, str]:
    """Request a page from HOST:PORT, and return its status and text; the status is 0 if there is no answer."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def log_tail(log: Path) -> str:
    """Return the end of a log and its path, for an error message."""
    text = log.read_text(errors="replace")[-_TAIL_CHARACTERS:].strip()
    return f"{text or 'the log is empty'} (full log: {log})"
