"""The runs that there are: in the state folder, among the topics and in the sinks; and how one is dropped."""

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
    """A run and where something of it stands."""

    name: str
    state: str
    """`live`, `done`, `begun`, or `unknown` to this machine."""
    topics: list[str] = []
    posts: dict[str, int] = {}
    """What each sink holds of it."""
    manifest: Manifest | None = None


def list_runs(settings: Settings, sinks: Sequence[str]) -> list[Run]:
    """Every run, the live one first. `settings` are the live day's. Raises Unavailable."""
    memory = StateFolder(settings.produce.state_path)
    kept = {name: stored_rows(name, settings) or {} for name in sinks}
    standing = topics.names(settings.kafka)
    names = {LIVE, *memory.names(), *(run for runs in kept.values() for run in runs)}
    names |= {
        name.removeprefix(f"{settings.topics.raw}.") for name in standing if name.startswith(f"{settings.topics.raw}.")
    }
    runs = []
    for name in sorted(names, key=lambda name: (name != LIVE, name)):
        state = memory.load(name)
        manifest = state.manifest if state else None
        own = for_run(settings, name).topics
        runs.append(
            Run(
                name=name,
                state=LIVE if name == LIVE else "done" if manifest else "begun" if state else "unknown",
                topics=[topic for topic in own.names.values() if topic in standing],
                posts={sink: found[name] for sink, found in kept.items() if name in found},
                manifest=manifest,
            )
        )
    return runs


def drop(settings: Settings, run: Run, sinks: Sequence[str]) -> dict[str, int]:
    """Removes the topics, groups, rows and state of a replay; answers the posts that each sink had.

    The rows go last but the state, so that what a crash leaves is found and dropped again. Raises BadInput for the live
    day, Unavailable.
    """
    if run.name == LIVE:
        raise BadInput("the live day is no replay: it is not dropped")
    memory = StateFolder(settings.produce.state_path)
    with memory.only_one(run.name):
        topics.delete(for_run(settings, run.name))
        dropped = {}
        for name in sinks:
            if name in run.posts:
                dropped[name] = asyncio.run(_drop(SINKS.find(name).from_settings(settings), run.name))
        shutil.rmtree(memory.logs(run.name), ignore_errors=True)
        memory.drop(run.name)
    return dropped


def stored_rows(name: str, settings: Settings) -> dict[str, int] | None:
    """The posts that a sink keeps, by run; None when it cannot tell. Raises Unavailable."""
    return asyncio.run(_held(SINKS.find(name).from_settings(settings)))


async def _held(sink: Sink) -> dict[str, int] | None:
    async with opened(sink, existing=True):
        try:
            return dict(await sink.runs())
        except Refused:
            return None


async def _drop(sink: Sink, run: str) -> int:
    async with opened(sink, existing=True):
        return await sink.drop_run(run)
