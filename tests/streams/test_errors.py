"""The errors: the tree in the docstring shows all of them, and the command line documents their exit codes."""

from __future__ import annotations

import inspect
import re

import pytest

from streams import cli, errors
from streams.errors import BadMessage, MissingExtra, SettingsError, TagpulseError

ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TagpulseError)]


def test_the_tree_in_the_docstring_shows_every_error() -> None:
    shown = re.findall(r"^ +(?:[├└]── )?([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(shown) == sorted(kind.__name__ for kind in ERRORS)


@pytest.mark.parametrize("kind", ERRORS)
def test_every_exit_code_is_documented(kind: type[TagpulseError]) -> None:
    assert re.search(rf"\b{kind.exit_code}\b", cli.group.help or "")


def test_a_missing_extra_says_how_to_install_it() -> None:
    assert str(MissingExtra("The embedded broker", "demo")).endswith("pip install 'tagpulse[demo]'")


def test_a_bad_message_separates_its_reason_from_the_detail() -> None:
    error = BadMessage("invalid", "Expected `str`")
    assert (error.reason, error.detail, str(error)) == ("invalid", "Expected `str`", "invalid: Expected `str`")


def test_wrong_settings_keep_every_fault() -> None:
    error = SettingsError("A: wrong", "B: wrong")
    assert error.faults == ("A: wrong", "B: wrong")
    assert str(error) == "A: wrong; B: wrong"
