"""`tagpulse spikes`, with minutes from a file and from a run in the lake."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from streams.cli import group
from streams.contracts import EnrichedPost, SentimentLabel
from streams.errors import BadInput
from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.commands import invoke, objects
from tests.streams.compare.two_runs import START, enriched, write_run
from tests.streams.spikes.feed import BEGIN, at, minutes


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return own_settings("127.0.0.1:1", tmp_path)


def lines(hashtag: str = "poltwt") -> str:
    share = [0.2] * 300 + [0.6] * 30 + [0.2] * 270
    counts = minutes(15.0, share, 600, hashtag=hashtag)
    return "".join(
        json.dumps(
            {
                "minute": f"{each.minute:%Y-%m-%dT%H:%M:%SZ}",
                "hashtag": each.hashtag,
                "posts": each.posts,
                "negative": each.negative,
                "neutral": each.neutral,
                "positive": 0,
            }
        )
        + "\n"
        for each in counts
    )


def test_a_file_of_minutes(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(lines())
    (found,) = objects("spikes", "--minutes", str(path), settings=settings)
    assert (found["kind"], found["hashtag"]) == ("negative", "poltwt")
    assert f"{at(301):%FT%TZ}" <= found["known_at"] <= f"{at(308):%FT%TZ}"
    assert found["opened_at"] < found["known_at"]
    assert f"{at(325):%FT%TZ}" <= found["closed_at"] <= f"{at(335):%FT%TZ}"
    assert found["low"] < found["share"] < found["high"]
    assert found["share"] == pytest.approx(0.6, abs=0.08)
    assert found["baseline"] == pytest.approx(0.2, abs=0.05)
    assert found["usual_rate"] == pytest.approx(15, rel=0.1)


def test_an_ongoing_spike_is_not_closed(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text("".join(lines().splitlines(keepends=True)[:312]))
    (found,) = objects("spikes", "--minutes", str(path), settings=settings)
    assert found["closed_at"] is None
    assert "│ open" in invoke("spikes", "--minutes", str(path), settings=settings).stdout


def test_standard_input_and_hostile_hashtags() -> None:
    hostile = "\x1b[31m[bold]x[/bold]\u202e"
    result = CliRunner().invoke(group, ["spikes", "--minutes", "-"], input=io.BytesIO(lines(hostile).encode()))
    assert result.exit_code == 0
    assert "[bold]x[/bold]" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_it_reports_that_nothing_was_found(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text("")
    assert invoke("spikes", "--minutes", str(path), settings=settings).stdout == "nothing would have alerted\n"
    assert objects("spikes", "--minutes", str(path), settings=settings) == []


def test_a_bad_line_stops_the_command_with_its_location(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(lines() + "{}\n")
    with pytest.raises(BadInput, match=r"day\.jsonl:601: .*minute"):
        invoke("spikes", "--minutes", str(path), settings=settings)


@pytest.mark.parametrize("options", [(), ("--run", "live", "--minutes", "-")])
def test_exactly_one_source_is_required(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(group, ["spikes", *options])
    assert result.exit_code == 2
    assert "give either a run" in result.output


def posts(storm: int) -> list[EnrichedPost]:
    """Return the posts of three hours: 20 minutes are more negative or, with `storm`, contain copies of one text."""
    dice = np.random.default_rng(1)
    found = []
    for minute in range(180):
        bad = 120 <= minute < 140
        for number in range(12 + bad * storm):
            copied = number >= 12
            share = 0.2 if storm or not bad else 0.7
            sentiment: SentimentLabel = "negative" if copied or dice.random() < share else "neutral"
            one = enriched(
                f"{minute}-{number}", sentiment, text="look at this" if copied else f"text {minute}-{number}"
            )
            moved = msgspec.structs.replace(
                one.post, created_at=START + timedelta(minutes=minute, seconds=number), author=f"{minute}-{number}"
            )
            found.append(msgspec.structs.replace(one, post=moved))
    return found


async def test_a_run_in_the_lake(settings: Settings) -> None:
    await write_run(settings.lake.path, "live", posts(storm=0))
    await write_run(settings.lake.path, "storm", posts(storm=20))
    (found,) = objects("spikes", "--run", "live", settings=settings)
    worst = START + timedelta(minutes=120)
    expected: dict[str, Any] = {"kind": "negative", "hashtag": "k9"}
    assert found.items() >= expected.items()
    assert f"{worst:%FT%TZ}" < found["known_at"] < f"{worst + timedelta(minutes=10):%FT%TZ}"
    kinds = {each["kind"] for each in objects("spikes", "--run", "storm", settings=settings)}
    assert "negative" not in kinds


async def test_a_run_is_watched_with_the_sensitivity_of_its_campaign(settings: Settings, tmp_path: Path) -> None:
    await write_run(settings.lake.path, "live", posts(storm=0))
    found = {}
    for sensitivity in ("low", "high"):
        campaign = tmp_path / f"{sensitivity}.toml"
        campaign.write_text(f'hashtags = ["k9"]\nsensitivity = "{sensitivity}"\n')
        own = settings.model_copy(update={"campaign": campaign})
        found[sensitivity] = objects("spikes", "--run", "live", settings=own)
        assert found[sensitivity] == objects("spikes", "--run", "live", "--sensitivity", sensitivity, settings=settings)
    assert found["low"] != found["high"]
    campaign.write_text('hashtags = ["cats"]\n')
    with pytest.raises(BadInput, match=r"no posts of the run live with one of the campaign's hashtags \(cats\)"):
        invoke("spikes", "--run", "live", settings=own)


async def test_a_missing_run_is_reported(settings: Settings) -> None:
    await write_run(settings.lake.path, "live", posts(storm=0)[:1])
    with pytest.raises(BadInput, match="no posts of the run again"):
        invoke("spikes", "--run", "again", settings=settings)


def test_times_are_written_in_utc(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(lines())
    (found,) = objects("spikes", "--minutes", str(path), settings=settings)
    for name in ("opened_at", "known_at", "closed_at"):
        assert found[name].startswith(f"{BEGIN:%F}T")
        assert found[name].endswith("Z")
