"""From posts to explained spikes: one text is repeated so rarely that no partition sees it often."""

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
START_MINUTE, END_MINUTE = 90, 120
"""Minutes of the storm."""


def posts(storm: int, form: str) -> Iterator[tuple[float, EnrichedPost]]:
    """Yield ten posts per minute, a fifth of them negative; during the storm, also `storm` copies of one text."""
    dice = np.random.default_rng(4)
    for minute in range(START_MINUTE + 45):
        for number in range(int(dice.poisson(10))):
            name, at = f"{minute}-{number}", 60 * minute + 60 * float(dice.random())
            yield at, enriched(name, at, "negative" if dice.random() < 0.2 else "neutral")
        for number in range(int(dice.poisson(storm)) if START_MINUTE <= minute < END_MINUTE else 0):
            name, at = f"{minute}-copy-{number}", 60 * minute + 60 * float(dice.random())
            changes: dict[str, Any] = {"reposted": {"repost_of": "90-0"}, "old-style": {}, "copied": {}}[form]
            text = f"RT @somebody: {TEXT}" if form == "old-style" else TEXT
            yield at, enriched(name, at, "negative", text=text, **changes)


def parts(storm: int, form: str) -> list[PulseMinute]:
    """Return the parts in topic order, with the posts distributed round-robin to the partitions."""
    partitions = [
        PartitionMinutes(
            number, CountedHashtags(["poltwt"], 1, {}), ResumeState(), lateness_seconds=600, settle_seconds=10
        )
        for number in range(PARTITIONS)
    ]
    found = []
    for offset, (_, post) in enumerate(sorted(posts(storm, form), key=itemgetter(0))):
        published = partitions[offset % PARTITIONS].add(post, 0, offset)[1]
        found += [each.part for each in published]
    return found + [each.part for partition in partitions for each in partition.end()]


def spikes(found: list[PulseMinute]) -> list[Spike]:
    watch = SpikeWatch(range(PARTITIONS), "middle")
    return [watch.explained(event) for part in found for event in watch.add(part)]


@pytest.mark.parametrize("form", ["reposted", "old-style", "copied"])
def test_a_slow_storm_of_one_text_is_not_negative_and_is_explained(form: str) -> None:
    found = parts(4, form)
    assert "negative" not in {spike.kind for spike in spikes(found)}
    last = {(part.minute, part.partition): part for part in found if part.final and part.hashtag == "poltwt"}
    storm = [
        part for (minute, _), part in last.items() if START_MINUTE <= (minute - START).total_seconds() / 60 < END_MINUTE
    ]
    before = [part for (minute, _), part in last.items() if (minute - START).total_seconds() / 60 < START_MINUTE]
    copies = sum(post.post.text.endswith(TEXT) for _, post in posts(4, form))
    assert copies == pytest.approx(120, abs=30)
    explanation = explain("volume", "poltwt", storm, before)
    assert explanation.top_text == TEXT
    assert explanation.top_text_share * sum(part.sentiments.posts for part in storm) == pytest.approx(copies, rel=0.02)


@pytest.mark.parametrize("form", ["reposted", "copied"])
def test_a_surge_of_one_text_says_so(form: str) -> None:
    (opened, *_) = spikes(parts(60, form))
    assert (opened.kind, opened.state) == ("volume", "open")
    assert opened.explanation.top_text == TEXT
    assert f" of them: “{TEXT}”." in opened.explanation.summary
