"""The command `python -m models eval`; the tasks and their dependencies are imported only when needed."""

import click

from models.cli_common import OptionalGroup


def _tasks() -> click.Group:
    from models.evaluation.commands import tasks

    return tasks


@click.group("eval", cls=OptionalGroup, extra="eval", packages=("sklearn",), load=_tasks)
def evaluate() -> None:
    """Score the model on labelled posts.

    Needs `pip install 'tagpulse[eval]'`; without it, no tasks are listed.

    \b
    Examples:
      python -m models eval sentiment --data umsab --split val
      python -m models eval language --data sentences --json
      python -m models eval topic --data x_topic
      python -m models eval emotion --data emotions.tsv
      python -m models eval act --data acts.tsv
      python -m models eval agreement --data umsab
      python -m models eval campaign --data posts.csv --text-column text --label-column topic --topics campaign.toml
      python -m models eval sentiment --data umsab --backend hub --hub-sentiment ./my-classifier
    """
