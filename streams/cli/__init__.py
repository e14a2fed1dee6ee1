"""The command line: one module per command group, imported on first use.

Only this package wires the parts of the pipeline together.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Any

import click

from streams.errors import TagpulseError
from streams.files import keep_files_private
from streams.text.terminal import one_line, plain

_COMMANDS = {
    "alerts": "Send test alerts and list spikes.",
    "broker": "Run a development broker in the foreground.",
    "campaign": "Try the topics of a campaign file.",
    "compare": "Compare two runs of the same posts.",
    "config": "Show and check the settings and the campaign file.",
    "dead": "List, show, retry and drop dead letters.",
    "demo": "Run a sample day through the whole pipeline and watch it live.",
    "doctor": "Check broker, topics, model, ports, clock and disk.",
    "forget": "Remove posts, or all posts of an author, from every sink.",
    "postgres": "Create, check and prune the tables of the postgres sink.",
    "lake": "Merge the small files of the lake and remove old days.",
    "produce": "Send posts from a source to Kafka.",
    "query": "Query the lake with SQL.",
    "record": "Record the raw frames of a live network.",
    "replay": "Replay a day, or part of it, as a separate run.",
    "runs": "List, show and drop runs.",
    "spikes": "Show which spikes would have raised an alert in past minutes.",
    "tail": "Show the messages of a topic as they arrive.",
    "topics": "Create, grow, check and list the Kafka topics.",
    "up": "Run the whole pipeline on this machine for a trial, without Docker.",
    "worker": "Run a worker: enrich, store or watch.",
}

# these run until they are stopped; being stopped is not a failure, even during startup
_LONG_RUNNING = ("broker", "produce", "record", "up", "worker")


def _exit_at_once(*_: object) -> None:
    # an exception might be swallowed by the code that the signal interrupts, and there is nothing to clean up yet
    os.write(sys.stderr.fileno(), b"tagpulse: stopped during startup\n")
    os._exit(0)


class _LazyGroup(click.Group):
    """Imports `streams.cli.NAME` only when NAME is run, so that `--help` and short commands start quickly."""

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

    All settings are environment variables named TAGPULSE_…; `tagpulse config show` lists them.

    \b
    Examples:
      tagpulse demo                          run a sample day on this machine, no account needed
      tagpulse up                            run everything on this machine until Ctrl-C
      tagpulse topics create                 once per Kafka cluster
      tagpulse produce bluesky --tag poltwt  listen to a hashtag
      tagpulse worker enrich                 add language, sentiment and topics to every post
      tagpulse worker store --sink parquet   store the results
      tagpulse worker watch                  count the minutes and find spikes in them
      tagpulse query "select sentiment, count(*) from posts group by 1"
      tagpulse replay --from raw --run again   replay a day, separate from the live one
      tagpulse compare live again              show what differs between two runs

    Exit codes: 0 success, 1 a check failed, 2 wrong usage, 65 bad input, 69 service unavailable, 70 internal error,
    75 stalled, 77 refused, 78 invalid settings.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code, writing a `TagpulseError` as a single line to standard error."""
    keep_files_private()
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in _LONG_RUNNING:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _exit_at_once)
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
        click.echo("tagpulse: internal error, see the traceback above", err=True)
        sys.exit(TagpulseError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
