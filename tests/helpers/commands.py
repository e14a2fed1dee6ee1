"""`tagpulse ARGUMENTS` in the process of the test, for commands that are called often and end by themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams import log
from streams.cli import group
from streams.settings import Settings
from tests.helpers.processes import environment


def invoke(*arguments: str, settings: Settings, code: int | None = 0) -> Result:
    """Run the command and return its result; raise what it raises, and fail if it exits with another code than `code`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log, "configure", lambda _: None)
        result = CliRunner().invoke(
            group, arguments, env=environment(settings), catch_exceptions=False, standalone_mode=False
        )
    if code is not None:
        assert (result.return_value or 0) == code, result.output
    return result


def objects(*arguments: str, settings: Settings, code: int | None = 0) -> list[dict[str, Any]]:
    """Return the objects that the command writes with `--json`, one per line."""
    return [json.loads(line) for line in invoke(*arguments, "--json", settings=settings, code=code).stdout.splitlines()]
