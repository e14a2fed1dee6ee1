"""Stops a process whose libraries are not of the versions whose internals were checked."""

from __future__ import annotations

from importlib.metadata import requires, version

from packaging.requirements import Requirement

from streams.errors import SettingsError


def require_checked(library: str) -> None:
    """Check that the installed version of a dependency is in the range that tagpulse declares.

    A module that uses internals of a library calls this before it does, because a resolver can be overridden.

    Raises:
        SettingsError: Another version is installed.
    """
    declared = (Requirement(line) for line in requires("tagpulse") or ())
    wanted = next(each for each in declared if each.name == library and each.marker is None)
    if not wanted.specifier.contains(installed := version(library), prereleases=True):
        raise SettingsError(
            f"{library} {installed} is installed, but tagpulse uses internals that were only checked for "
            f"{library} {wanted.specifier}: install it with: pip install '{wanted}'"
        )
