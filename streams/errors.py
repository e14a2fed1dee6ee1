"""The errors of tagpulse, grouped by what the caller can do about them.

    TagpulseError
    ├── SettingsError       a setting or file is wrong: fix it, then start again
    ├── MissingExtra        an optional dependency is missing: install the extra
    ├── BadMessage          one message cannot be read: send it to the dead letters and continue
    ├── BadInput            an input file or query is wrong: fix it, then start again
    ├── Unavailable         a broker or disk is unavailable: retry with back-off
    ├── Refused             a network refused permanently (credentials, address): retrying cannot help
    ├── DeadLetterLimit     most of a window failed: a bad deployment rather than bad posts; nothing was acknowledged
    └── Stalled             the worker makes no progress: let the supervisor restart it

Every error carries the exit code (see `sysexits.h`) of a command that ends because of it.
"""

from __future__ import annotations

from typing import ClassVar


class TagpulseError(Exception):
    """Base class of the errors that tagpulse raises; the message says what went wrong, where, and what to do."""

    exit_code: ClassVar[int] = 70


class SettingsError(TagpulseError):
    """Raised when settings or lines of the campaign file are wrong; `faults` lists every error with its location."""

    exit_code = 78

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class MissingExtra(TagpulseError):
    """Raised when a feature is used whose optional dependencies are not installed."""

    exit_code = 78

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency; install it with: pip install 'tagpulse[{extra}]'")


class BadMessage(TagpulseError):
    """Raised when a message cannot be read; `reason` is one of a few fixed words, for metrics and dead letters."""

    exit_code = 65

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BadInput(TagpulseError):
    """Raised when a file or query given on the command line cannot be used."""

    exit_code = 65


class Unavailable(TagpulseError):
    """Raised when something external (broker, disk, port) is unavailable; retrying may help."""

    exit_code = 69


class Refused(TagpulseError):
    """Raised when a network refuses permanently: wrong credentials, address or permissions."""

    exit_code = 77


class DeadLetterLimit(TagpulseError):
    """Raised when most of the last posts could not be enriched: the cause is more likely the worker than the posts."""

    exit_code = 65


class Stalled(TagpulseError):
    """Raised when a worker has messages to read but has made no progress for too long."""

    exit_code = 75
