"""The command line: one file a command group, imported only when it is used. Here alone the parts are put together."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Any

import click

from streams.errors import TagpulseError
from streams.private_files import keep_files_private
from streams.text.terminal import one_line, plain

_COMMANDS = {
    "alerts": "Try the way that alerts take, list spikes.",
    "broker": "Run a broker for development in the foreground.",
    "compare": "Compare two runs of the same posts.",
    "config": "Show and check the settings and the campaign file.",
    "dead": "List, show, retry and drop dead letters.",
    "demo": "Play a sample day through the whole pipeline and watch it live.",
    "doctor": "Check broker, topics, model, ports, clock and disk.",
    "forget": "Remove posts, or all posts of an author, from every sink.",
    "postgres": "Make, check and prune the tables of the sink postgres.",
    "lake": "Merge the small files of the lake, remove its old days.",
    "produce": "Send posts of a source to Kafka.",
    "query": "Ask the lake in SQL.",
    "record": "Record the raw frames of a live network.",
    "replay": "Play a day once more, under a name of its own.",
    "runs": "List, show and drop the runs.",
    "spikes": "Find what would have alerted in past minutes.",
    "tail": "Show the messages of a topic as they come.",
    "topics": "Create, check and list the Kafka topics.",
    "up": "Run the whole on this machine for a trial, without Docker.",
    "worker": "Run a worker: enrich, store or watch.",
}

# they run until they are stopped, which is no failure, also while they still start
_UNTIL_STOPPED = ("broker", "produce", "record", "up", "worker")


def _end(*_: object) -> None:
    # an exception could be lost in whatever code the signal came upon, and nothing has begun that would need an end
    os.write(sys.stderr.fileno(), b"tagpulse: was told to stop while it started\n")
    os._exit(0)


class _LazyGroup(click.Group):
    """Imports `streams.cli.NAME` when NAME is called, so that `--help` and short commands start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streams.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tagpulse", prog_name="tagpulse")
def group() -> None:
    """Watch the mood of a live hashtag.

    Settings are environment variables TAGPULSE_…: see `tagpulse config show`.

    \b
    Examples:
      tagpulse demo                          a sample day on this machine, no account needed
      tagpulse up                            the whole on this machine, until Ctrl-C
      tagpulse topics create                 once for each Kafka cluster
      tagpulse produce bluesky --tag poltwt  listen to a hashtag
      tagpulse worker enrich                 language, sentiment and topic of every post
      tagpulse worker store --sink parquet   keep the results
      tagpulse worker watch                  minutes, and the spikes found in them
      tagpulse query "select sentiment, count(*) from posts group by 1"
      tagpulse replay --from raw --run again   a day once more, apart from the live one
      tagpulse compare live again              what differs between two runs

    Exit codes: 0 done, 1 checks failed, 2 wrong usage, 65 bad input, 69 something is away, 70 a fault of tagpulse,
    75 stalled, 77 refused, 78 a wrong setting.
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and ends the process with its exit code; an error of ours is one line on standard error."""
    keep_files_private()
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in _UNTIL_STOPPED:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
    try:
        code: Any = group.main(args=arguments, prog_name="tagpulse", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except TagpulseError as error:
        click.echo(f"tagpulse: {plain(str(error))}", err=True)
        sys.exit(error.exit_code)
    except Exception:
        for line in traceback.format_exc().rstrip("\n").split("\n"):
            click.echo(one_line(line), err=True)
        click.echo("tagpulse: a fault of tagpulse, see the traceback above", err=True)
        sys.exit(TagpulseError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
