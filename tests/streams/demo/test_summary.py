"""The summary of the demo, from a tally and a lake."""

from __future__ import annotations

import json
from datetime import timedelta
from math import inf
from pathlib import Path

import msgspec
import pytest

from streams.contracts import Deletion, EnrichedPost, SentimentLabel, encode
from streams.demo.play import prepare
from streams.demo.state import Play
from streams.demo.summary import Shared, lake_posts, sum_up
from streams.errors import SettingsError
from streams.sample_day import START
from streams.up.mood import SentimentTally
from tests.streams.compare.two_runs import write_run
from tests.streams.demo.day import CAMPAIGN, dead_letter, enriched

POSTS = [
    enriched(1, "negative", text="first", author="ann"),
    enriched(2, "positive", author="bob", repost_of="1"),
    enriched(3, "neutral", at=START + timedelta(hours=2), author="eve", repost_of="1"),
    enriched(4, "positive", at=START + timedelta(minutes=59), text="fourth", author="dan"),
    enriched(5, "positive", at=START + timedelta(hours=2), author="eve", repost_of="4"),
]
EDIT = enriched(4, "negative", at=START + timedelta(minutes=59), text="fourth!", author="dan", edited_at=START)


async def played(folder: Path, speed: float, *, stored: list[EnrichedPost]) -> Play:
    """Return a demo whose topics contain all posts, an edit, a deletion and a dead letter."""
    play = prepare(folder, kind="embedded", campaign=CAMPAIGN, speed=speed, started=10.0)
    play.now, play.first_enriched = 70.126, 5.678
    deletion = Deletion(source="test", id="9", deleted_at=START)
    messages = [encode(each) for each in (*POSTS, EDIT)]
    for offset, value in enumerate([*(encode(each.post) for each in (*POSTS, EDIT)), encode(deletion), b"{"]):
        play.tally.add_raw("posts.raw", 0, offset, value, ())
    for value in (*messages, messages[0], encode(deletion)):
        play.tally.add_enriched(value, ())
    play.tally.add_dead(encode(dead_letter(7)), ())
    await write_run(play.stage.lake, "live", stored)
    return play


async def test_the_day_is_summed_up_from_the_tally_and_the_lake(tmp_path: Path) -> None:
    found = sum_up(await played(tmp_path / "demo", 720, stored=[*POSTS, EDIT]))
    assert (found.produced, found.enriched, found.deletions, found.dead, found.missing) == (8, 6, 1, 1, 0)
    assert (found.dead_by_reason, found.duplicates, found.posts, found.stored) == ({"malformed": 1}, 1, 5, 5)
    assert (found.seconds, found.seconds_to_first_enriched, found.speed) == (60.13, 5.68, 720)
    assert (found.model, found.languages, found.topics) == ("test 1", {"en": 5}, {"news_&_social_concern": 5})
    # the lake contains the edit; the tally counts the sentiment of the first version
    assert found.hours == {START: SentimentTally(2, 0, 1), START + timedelta(hours=2): SentimentTally(0, 1, 1)}
    assert found.hashtags == {"poltwt": SentimentTally(1, 1, 3)}
    assert found.campaign_topics == {"police dogs": SentimentTally(1, 1, 3)}
    assert found.turn is None
    assert found.most_shared == (
        Shared(text="first", author="ann", language="en", sentiment="negative", reposts=2),
        Shared(text="fourth!", author="dan", language="en", sentiment="negative", reposts=1),
    )
    assert found.is_complete


async def test_a_post_that_the_lake_lacks_makes_it_incomplete(tmp_path: Path) -> None:
    play = await played(tmp_path / "demo", inf, stored=POSTS[:4])
    found = sum_up(play)
    assert (found.posts, found.stored, found.missing, found.speed) == (5, 4, 0, None)
    assert not found.is_complete
    play.tally.add_raw("posts.raw", 0, 8, b"[", ())
    assert sum_up(play).missing == 1
    assert lake_posts(play.stage.lake) == 4


async def test_as_json_its_times_are_in_utc(tmp_path: Path) -> None:
    play = await played(tmp_path / "demo", 720, stored=[*POSTS, EDIT])
    for number in range(100, 300):
        at = START + timedelta(minutes=number - 100)
        label: SentimentLabel = "negative" if 120 <= number < 140 else "neutral"
        play.tally.add_enriched(encode(enriched(number, label, at=at)), ())
    shown = json.loads(json.dumps(sum_up(play).to_json()))
    assert shown["complete"] is False, "the lake does not contain the later posts"
    hour = f"{START:%Y-%m-%dT%H:00:00Z}"
    assert shown["hours"][hour] == {"negative": 2, "neutral": 0, "positive": 1}
    begin, end = START + timedelta(minutes=20), START + timedelta(minutes=40)
    assert (shown["turn"]["begin"], shown["turn"]["end"]) == (
        f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        f"{end:%Y-%m-%dT%H:%M:%SZ}",
    )
    assert shown["turn"]["share"] == 1.0
    assert shown["most_shared"][0]["author"] == "ann"


async def test_only_the_most_frequent_hashtags_are_kept(tmp_path: Path) -> None:
    play = await played(tmp_path / "demo", 720, stored=POSTS)
    for number in range(1, 13):
        for copy in range(number):
            post = enriched(1_000 * number + copy)
            tagged = msgspec.structs.replace(post, post=msgspec.structs.replace(post.post, hashtags=(f"tag{number}",)))
            play.tally.add_enriched(encode(tagged), ())
    totals = [mood.total for mood in sum_up(play).hashtags.values()]
    assert totals == [12, 11, 10, 9, 8, 7, 6, 5, 5, 4]


def test_a_missing_lake_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no lake"):
        lake_posts(tmp_path / "nowhere")
