"""`tagpulse campaign try` on a lake and on a file, with the real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from streams.errors import SettingsError
from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects
from tests.streams.compare.two_runs import enriched, write_run

CAMPAIGN = """
name = "poltwt"
[[topics]]
name = "police dogs"
description = "Police dogs and their handlers"
examples = ["Our K9 Rex found the missing child", "Unser Diensthund hat heute Geburtstag"]
[[topics]]
name = "traffic"
description = "Traffic jams, accidents and road closures"
examples = ["The A40 is closed after a crash", "Stau auf der A1 nach einem Unfall"]
"""
DOG, CRASH, NOVEL = "Our police dog Luna found the drugs", "Crash on the motorway, lanes closed", "I read a novel"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


@pytest.fixture
def campaign(tmp_path: Path) -> str:
    path = tmp_path / "poltwt.toml"
    path.write_text(CAMPAIGN)
    return str(path)


def caught(found: dict[str, Any]) -> dict[str, list[str]]:
    return {topic["name"]: [post["text"] for post in topic["examples"]] for topic in found["topics"]}


async def test_a_lake(settings: Settings, campaign: str) -> None:
    posts = [enriched(str(number), text=text) for number, text in enumerate((DOG, CRASH, NOVEL, DOG))]
    await write_run(settings.lake.path, "live", posts)
    (found,) = objects("campaign", "try", campaign, settings=settings)
    assert caught(found) == {"police dogs": [DOG], "traffic": [CRASH]}
    assert (found["posts"], found["found"], found["caught"]) == (4, 4, 3)
    assert found["topics"][0]["assigned"] == 2
    assert found["first"] == "2026-06-20T09:30:00Z"
    shown = invoke("campaign", "try", campaign, "--posts", "3", settings=settings).stdout
    assert "poltwt on 3 posts, a sample of 4" in shown
    assert "police dogs: near misses" in shown


def test_a_file(settings: Settings, campaign: str, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    lines = [
        json.dumps({"source": "test", "id": text, "text": f"\x1b[31m{text}", "created_at": "2026-06-20T10:00:00Z"})
        for text in (DOG, NOVEL)
    ]
    path.write_text("\n".join([*lines, "no post"]))
    shown = invoke("campaign", "try", campaign, "--from", str(path), settings=settings).stdout
    assert "2 posts, 1 unreadable lines" in shown
    assert "\x1b" not in shown, "a post cannot control the terminal"


def test_a_campaign_without_topics(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text('name = "x"')
    with pytest.raises(SettingsError, match=r"empty\.toml: has no \[\[topics\]\] to try"):
        invoke("campaign", "try", str(path), settings=settings)


def test_options_that_exclude_each_other(settings: Settings, campaign: str) -> None:
    with pytest.raises(click.UsageError, match="leave out --lake"):
        invoke("campaign", "try", campaign, "--from", "x.jsonl", "--since", "2h", settings=settings)
    with pytest.raises(click.BadParameter, match="is not a hashtag"):
        invoke("campaign", "try", campaign, "--hashtag", "#", settings=settings)
