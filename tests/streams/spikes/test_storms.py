"""One text again and again, in so many partitions that each of them hardly sees it twice: from posts to explained spikes."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import numpy as np
import pytest

from streams.agents.detect import SpikeWatch
from streams.contracts import EnrichedPost, PulseMinute, Spike
from streams.minutes.counted_hashtags import CountedHashtags
from streams.minutes.partition import PartitionMinutes
from streams.minutes.resume_state import ResumeState
from streams.spikes.explanation import explain
from tests.helpers.minutes import START, enriched

PARTITIONS = 4
TEXT = "Look what he did to that poor man"
BEGIN, END = 90, 120
"""Minutes of the storm."""


def posts(storm: int, form: str) -> Iterator[tuple[float, EnrichedPost]]:
    """Ten posts a minute, a fifth of them negative; in the storm, so many copies a minute of one of them."""
    dice = np.random.default_rng(4)
    for minute in range(BEGIN + 45):
        for number in range(int(dice.poisson(10))):
            name, at = f"{minute}-{number}", 60 * minute + 60 * float(dice.random())
            yield at, enriched(name, at, "negative" if dice.random() < 0.2 else "neutral")
        for number in range(int(dice.poisson(storm)) if BEGIN <= minute < END else 0):
            name, at = f"{minute}-copy-{number}", 60 * minute + 60 * float(dice.random())
            changes: dict[str, Any] = {"reposted": {"repost_of": "90-0"}, "old-style": {}, "copied": {}}[form]
            text = f"RT @somebody: {TEXT}" if form == "old-style" else TEXT
            yield at, enriched(name, at, "negative", text=text, **changes)


def parts(storm: int, form: str) -> list[PulseMinute]:
    """As they come to the topic, the posts dealt to the partitions in turn."""
    partitions = [
        PartitionMinutes(
            number, CountedHashtags(["poltwt"], 1, {}), ResumeState(), lateness_seconds=600, settle_seconds=10
        )
        for number in range(PARTITIONS)
    ]
    found = []
    for offset, (_, post) in enumerate(sorted(posts(storm, form), key=itemgetter(0))):
        told = partitions[offset % PARTITIONS].add(post, 0, offset)[1]
        found += [each.part for each in told]
    return found + [told.part for partition in partitions for told in partition.end()]


def spikes(found: list[PulseMinute]) -> list[Spike]:
    watch = SpikeWatch(range(PARTITIONS), "middle")
    return [watch.explained(turn) for part in found for turn in watch.add(part)]


@pytest.mark.parametrize("form", ["reposted", "old-style", "copied"])
def test_a_slow_storm_of_one_text_turns_no_mood_and_its_minutes_say_what_it_is(form: str) -> None:
    found = parts(4, form)
    assert "negative" not in {spike.kind for spike in spikes(found)}
    last = {(part.minute, part.partition): part for part in found if part.final and part.hashtag == "poltwt"}
    storm = [part for (minute, _), part in last.items() if BEGIN <= (minute - START).total_seconds() / 60 < END]
    before = [part for (minute, _), part in last.items() if (minute - START).total_seconds() / 60 < BEGIN]
    copies = sum(post.post.text.endswith(TEXT) for _, post in posts(4, form))
    assert copies == pytest.approx(120, abs=30)
    told = explain("volume", "poltwt", storm, before)
    assert told.top_text == TEXT
    assert told.top_text_share * sum(part.moods.posts for part in storm) == pytest.approx(copies, rel=0.02)


@pytest.mark.parametrize("form", ["reposted", "copied"])
def test_a_surge_of_one_text_says_so(form: str) -> None:
    (opened, *_) = spikes(parts(60, form))
    assert (opened.kind, opened.state) == ("volume", "open")
    assert opened.explanation.top_text == TEXT
    assert f" of them: “{TEXT}”." in opened.explanation.summary
