"""Listing runs, from the state folder, the topics and the sinks, and dropping them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

import msgspec

from streams.errors import BadInput, Refused
from streams.kafka import topics
from streams.replay.manifest import Manifest
from streams.replay.state import StateFolder
from streams.settings import LIVE, Settings, for_run
from streams.sinks.base import Sink, opened
from streams.sinks.registry import SINKS


class Run(msgspec.Struct, kw_only=True):
    """A run, with its topics and its posts in the sinks."""

    name: str
    state: str
    """`live`, `done`, `begun`, or `unknown` if it was not started on this machine."""
    topics: list[str] = []
    posts: dict[str, int] = {}
    """Number of posts of the run in each sink."""
    manifest: Manifest | None = None


def list_runs(settings: Settings, sinks: Sequence[str]) -> list[Run]:
    """Return every run, the live one first.

    Args:
        settings: Settings of the live run.
        sinks: Names of the sinks to look at.

    Raises:
        Unavailable: Kafka or a sink does not answer.
    """
    states = StateFolder(settings.produce.state_path)
    stored = {name: stored_rows(name, settings) or {} for name in sinks}
    existing = topics.names(settings.kafka)
    names = {LIVE, *states.names(), *(run for runs in stored.values() for run in runs)}
    names |= {
        name.removeprefix(f"{settings.topics.raw}.") for name in existing if name.startswith(f"{settings.topics.raw}.")
    }
    runs = []
    for name in sorted(names, key=lambda name: (name != LIVE, name)):
        state = states.load(name)
        manifest = state.manifest if state else None
        own = for_run(settings, name).topics
        runs.append(
            Run(
                name=name,
                state=LIVE if name == LIVE else "done" if manifest else "begun" if state else "unknown",
                topics=[topic for topic in own.names.values() if topic in existing],
                posts={sink: found[name] for sink, found in stored.items() if name in found},
                manifest=manifest,
            )
        )
    return runs


def drop(settings: Settings, run: Run, sinks: Sequence[str]) -> dict[str, int]:
    """Remove the topics, groups, rows and state of a replay, and return the number of posts removed from each sink.

    The rows are removed after the topics and the state last, so that the remains of a crash are found and dropped
    again.

    Args:
        settings: Settings of the live run.
        run: The run to drop.
        sinks: Names of the sinks to remove rows from.

    Raises:
        BadInput: The run is the live run.
        Unavailable: Kafka or a sink does not answer.
    """
    if run.name == LIVE:
        raise BadInput("the live run is not a replay and cannot be dropped: give the name of a replay")
    states = StateFolder(settings.produce.state_path)
    with states.only_one(run.name):
        topics.delete(for_run(settings, run.name))
        dropped = {}
        for name in sinks:
            if name in run.posts:
                dropped[name] = asyncio.run(_drop(SINKS.find(name).from_settings(settings), run.name))
        shutil.rmtree(states.logs(run.name), ignore_errors=True)
        states.drop(run.name)
    return dropped


def stored_rows(name: str, settings: Settings) -> dict[str, int] | None:
    """Return the number of posts in a sink by run, or None if the sink cannot count them. Raises Unavailable."""
    return asyncio.run(_rows_by_run(SINKS.find(name).from_settings(settings)))


async def _rows_by_run(sink: Sink) -> dict[str, int] | None:
    async with opened(sink, existing=True):
        try:
            return dict(await sink.runs())
        except Refused:
            return None


async def _drop(sink: Sink, run: str) -> int:
    async with opened(sink, existing=True):
        return await sink.drop_run(run)
