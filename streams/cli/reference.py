"""The reference of the commands, `docs/cli.md`, made from their help: `python -m streams.cli.reference docs` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from streams.cli import group
from streams.reference import GENERATED

PAGE = "cli.md"
_WIDTH = 110


def page() -> str:
    """Return the Markdown page, with the help text of every command as `--help` prints it."""
    lines = [
        GENERATED,
        "",
        "# Commands",
        "",
        "The help of every command, as `--help` prints it. `python -m models --help` shows those of the model.",
    ]
    for name, text in _helps(group, None, "tagpulse"):
        lines += ["", f"## {name}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(command, parent, name, **settings)
    path = context.command_path
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            if found := command.get_command(context, child):
                yield from _helps(found, context, child)


if __name__ == "__main__":
    Path(sys.argv[1], PAGE).write_text(page(), encoding="utf-8")
