"""The errors of tagpulse, split by what the caller can do about them.

    TagpulseError
    ├── SettingsError       mend the setting or file it names, then start again
    ├── MissingExtra        install the extra it names
    ├── BadMessage          one message cannot be read: it goes to the dead letters, the rest goes on
    ├── BadInput            an input file or query is wrong: mend it, then start again
    ├── Unavailable         a broker or disk is away: wait with back-off, then try again
    ├── Refused             a network says no for good (credentials, address): retrying cannot help
    ├── DeadLetterLimit     most of a window failed: a bad deploy rather than bad posts; nothing was acknowledged
    └── Stalled             the worker stopped making progress: let the supervisor restart it

Every error carries the exit code (of `sysexits.h`) with which a command ends because of it.
"""

from __future__ import annotations

from typing import ClassVar


class TagpulseError(Exception):
    """Anything tagpulse raises on purpose; the text says what, where and what to do."""

    exit_code: ClassVar[int] = 70


class SettingsError(TagpulseError):
    """Settings or lines of the campaign file are wrong; `faults` are all of them, each naming its place."""

    exit_code = 78

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class MissingExtra(TagpulseError):
    """A part is used whose optional dependencies are not installed."""

    exit_code = 78

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra that is not installed: pip install 'tagpulse[{extra}]'")


class BadMessage(TagpulseError):
    """A message that cannot be read. `reason` is a short, bounded word for metrics and dead letters."""

    exit_code = 65

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BadInput(TagpulseError):
    """A file or a query given on the command line cannot be used."""

    exit_code = 65


class Unavailable(TagpulseError):
    """Something outside (broker, disk, port) is away; trying again may help."""

    exit_code = 69


class Refused(TagpulseError):
    """A network refused for good: wrong credentials, address or rights."""

    exit_code = 77


class DeadLetterLimit(TagpulseError):
    """Most of the last posts could not be enriched, so that the fault is more likely ours than theirs."""

    exit_code = 65


class Stalled(TagpulseError):
    """A worker has had messages to read, but made no progress for too long."""

    exit_code = 75
