"""The console that commands print tables to."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDTH = 200  # columns, when the output is not a terminal


def console() -> Console:
    """Return the console of standard output."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH)
