"""Checks whether the command lines in documents and other files exist, according to the commands themselves."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

from streams.cli import group


def fault(arguments: Sequence[str]) -> str | None:
    """Return what is wrong with `tagpulse ARGUMENTS`, such as an unknown command or option; None if nothing is."""
    command: click.Command = group
    context = click.Context(group)
    words = list(arguments)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            return f"{command.name or 'tagpulse'} has no command {name}"
        command = found
    if isinstance(command, click.Group) and not {"--help", "-h", "--version"} & set(words):
        return f"{command.name} needs a command" if words else None
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        option = word.partition("=")[0]
        if re.match(r"--?[a-z]", option) and option not in known | {"--help", "-h", "--version"}:
            return f"{' '.join(arguments)}: no option {option}"
    return None


def commands_in(text: str) -> list[list[str]]:
    """Return the arguments of every `tagpulse …` in the code of a Markdown text."""
    code = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    lines = [line for block in code for line in block.replace("\\\n", " ").splitlines()]
    found = [re.search(r"(?:^|\s)tagpulse( [a-z][^#|&>;]*|$)", line) for line in lines]
    return [_words(match[1]) for match in found if match]


def _words(text: str) -> list[str]:
    return [word for word in shlex.split(text) if not re.fullmatch(r"…|\.\.\.", word)]
