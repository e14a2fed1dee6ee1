"""The network of the guide, installed as a separate package: `tagpulse produce` and `record` find it and lose nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.contracts import Post, decode_raw
from streams.kafka import topics
from streams.processes.broker import HOST, Broker
from tests.conftest import SettingsFactory
from tests.helpers.brokers import ROOT
from tests.helpers.packages import installed
from tests.helpers.processes import Tagpulse, eventually, run_tagpulse
from tests.helpers.records import count, reached, read_all

EXAMPLE = ROOT / "docs" / "examples" / "source.py"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return installed(tmp_path, EXAMPLE, "json_feed", "[tagpulse.sources]\njsonfeed = json_feed:JsonFeed\n")


@asynccontextmanager
async def serve(items: list[Any]) -> AsyncIterator[str]:
    """Serve a JSON Feed of `items`, newest first."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"version": "https://jsonfeed.org/version/1.1", "items": items[::-1]})

    application = web.Application()
    application.router.add_get("/feed.json", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    place = web.TCPSite(runner, HOST, 0)
    await place.start()
    try:
        yield f"http://{HOST}:{runner.addresses[0][1]}/feed.json"
    finally:
        await runner.cleanup()


def item(number: int, tag: str = "#poltwt") -> dict[str, str]:
    return {"id": f"item-{number}", "content_text": f"Post {number} {tag}", "date_published": "2026-06-20T09:00:00Z"}


async def test_it_is_found_by_its_entry_point_and_resumes(
    embedded_broker: Broker, settings_for: SettingsFactory, site: Path, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 1}, produce={"max_age_days": 36_500})
    topics.create(settings)
    items: list[Any] = [item(0), item(1, "#other"), {"id": "broken"}, item(2)]
    async with serve(items) as url:
        environment = {
            "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]),
            "FEED_URL": url,
            "FEED_SECONDS": "0.1",
        }
        for wanted in (2, 3):
            command = ("produce", "jsonfeed", "--tag", "poltwt")
            with Tagpulse(*command, settings=settings, folder=tmp_path, env=environment) as produce:
                await eventually(partial(reached, settings.kafka, settings.topics.raw, wanted), what="posts")
                produce.terminate()
                await eventually(lambda: not produce.running, 20, "the end")
                assert produce.wait(1) == 0, produce.stderr
            items.append(item(3))
    found = [decode_raw(record.value) for record in read_all(settings.kafka, settings.topics.raw)]
    posts = [post for post in found if isinstance(post, Post)]
    assert [post.id for post in posts] == ["item-0", "item-2", "item-3"]
    assert {post.source for post in posts} == {"jsonfeed"}
    assert count(settings.kafka, settings.topics.dead) == 1, "the broken item, once"


async def test_its_recording_can_be_replayed(
    embedded_broker: Broker, settings_for: SettingsFactory, site: Path, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 1}, produce={"max_age_days": 36_500})
    topics.create(settings)
    path = tmp_path / "recording.zst"
    async with serve([item(0), item(1)]) as url:
        environment = {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]), "FEED_URL": url}
        command = ("record", "jsonfeed", "--tag", "poltwt", "--seconds", "3", "--json", "--to", str(path))
        recorded = await asyncio.to_thread(run_tagpulse, *command, settings=settings, env=environment)
    assert json.loads(recorded.stdout)["frames"] == 2, recorded.stderr
    play = ("produce", "file", "--as", "jsonfeed", "--tag", "poltwt", str(path))
    played = await asyncio.to_thread(run_tagpulse, *play, settings=settings, env=environment)
    assert played.returncode == 0, played.stderr
    found = [decode_raw(record.value) for record in read_all(settings.kafka, settings.topics.raw)]
    assert [post.id for post in found] == ["item-0", "item-1"]
