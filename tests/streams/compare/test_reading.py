from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from streams.compare.comparison import ComparedPosts, Model
from streams.compare.reading import Pairs, read_pairs
from streams.contracts import EnrichedPost
from streams.errors import BadInput
from tests.streams.compare.two_runs import EDITED, START, enriched, write_run

DAY, NEXT = START.date(), START.date() + timedelta(days=1)


async def write(lake: Path, a: list[EnrichedPost], b: list[EnrichedPost]) -> None:
    await write_run(lake, "live", a)
    await write_run(lake, "again", b)


@contextmanager
def pairs_of(lake: Path, **chosen: object) -> Iterator[Pairs]:
    with read_pairs(lake, "live", "again", ComparedPosts(**chosen)) as pairs:  # type: ignore[arg-type]
        yield pairs


async def test_posts_are_joined_by_their_id(tmp_path: Path) -> None:
    a = [enriched("same"), enriched("edited", text="before"), enriched("only a")]
    b = [enriched("same"), enriched("edited", text="after", edited_at=EDITED), enriched("b1"), enriched("b2")]
    await write(tmp_path, a, b)
    with pairs_of(tmp_path) as pairs:
        over = pairs.overlap()
        assert (over.both, over.same_text, over.edited, over.only_a, over.only_b) == (2, 1, 1, 1, 2)


async def test_the_models_of_a_run_are_sorted_by_number_of_posts(tmp_path: Path) -> None:
    await write(tmp_path, [enriched("1")], [enriched("1"), *(enriched(f"{n}", version="2") for n in (2, 3))])
    with pairs_of(tmp_path) as pairs:
        run = pairs.run("again", "b")
        assert (run.name, run.posts) == ("again", 3)
        one, two = (
            Model(name="constant", version=version, runtime="openvino", precision="int8", posts=posts)
            for version, posts in (("1", 1), ("2", 2))
        )
        assert run.models == (two, one)
        assert pairs.run("live", "a").models == (one,)


async def test_pairs_of_labels_are_counted_where_the_text_is_the_same(tmp_path: Path) -> None:
    a = [
        enriched("1", "negative", language="en", campaign="force"),
        enriched("2", "negative", language="en"),
        enriched("3", "neutral", language="de"),
        enriched("4", text="before", language="fr"),
    ]
    b = [
        enriched("1", "negative", language="en", campaign="dogs"),
        enriched("2", "positive", language="nl"),
        enriched("3", "neutral", language="de"),
        enriched("4", text="after", language="it", edited_at=EDITED),
    ]
    await write(tmp_path, a, b)
    with pairs_of(tmp_path) as pairs:
        assert pairs.labels("language") == {("en", "en"): 1, ("en", "nl"): 1, ("de", "de"): 1}
        assert pairs.labels("campaign") == {("force", "dogs"): 1, ("", ""): 2}
        assert pairs.sentiments() == {
            "en": {("negative", "negative"): 1, ("negative", "positive"): 1},
            "de": {("neutral", "neutral"): 1},
        }


async def test_distances_are_between_the_probabilities(tmp_path: Path) -> None:
    a = [enriched("1", "negative"), enriched("2", "neutral", sure=0.8), enriched("3", "neutral")]
    b = [enriched("1", "positive"), enriched("2", "neutral", sure=0.7), enriched("3", "neutral")]
    await write(tmp_path, a, b)
    with pairs_of(tmp_path) as pairs:
        assert pairs.mean_distance() == pytest.approx((0.7 + 0.1 + 0) / 3)
        changed = pairs.changed(5)
        assert [post.id for post in changed] == ["1", "2"]
        assert [post.distance for post in changed] == pytest.approx([0.7, 0.1])
        assert (changed[0].a.sentiment, changed[0].b.sentiment, changed[0].text) == ("negative", "positive", "hello")
        assert changed[0].created_at == START
        assert [post.id for post in pairs.changed(1)] == ["1"]


async def test_topics_are_counted_by_the_runs_that_found_them(tmp_path: Path) -> None:
    a = [enriched("1", topics=("news", "pets")), enriched("2", topics=("news",)), enriched("3")]
    b = [enriched("1", topics=("pets", "news")), enriched("2"), enriched("3", topics=("pets",))]
    await write(tmp_path, a, b)
    with pairs_of(tmp_path) as pairs:
        assert pairs.sets("topics") == {
            "news": {(True, True): 1, (True, False): 1},
            "pets": {(True, True): 1, (False, True): 1},
        }
        assert pairs.same_sets("topics") == 1
        # per post: 1·2 + 1·3, 5 and 0 of the weights below
        weights = {("news", True, True): 2.0, ("pets", True, True): 3.0, ("news", True, False): 5.0}
        assert pairs.variance("topics", weights) == pytest.approx((25 + 25) / 3 - (10 / 3) ** 2)
        assert pairs.variance("topics", {("news", True, True): 1.0}) == pytest.approx(1 / 3 - (1 / 3) ** 2)


async def test_cells_say_how_a_post_counts_in_each_run(tmp_path: Path) -> None:
    a = [
        enriched("same", "negative", hashtags=("k9", "poltwt")),
        enriched("edited", "neutral", text="before"),
        enriched("moved", "positive", hashtags=("k9",)),
        enriched("only a", "negative", days=1, hashtags=()),
    ]
    b = [
        enriched("same", "neutral", hashtags=("k9", "poltwt")),
        enriched("edited", "negative", text="after", edited_at=EDITED),
        enriched("moved", "positive", hashtags=("poltwt",)),
        enriched("only b", "negative"),
    ]
    await write(tmp_path, a, b)
    with pairs_of(tmp_path) as pairs:
        assert pairs.cells("hashtag") == {
            (DAY, "k9"): {
                ("same", "negative", "neutral"): 1,
                ("edited", "neutral", "negative"): 1,
                ("moved", "positive", None): 1,
                ("only", None, "negative"): 1,
            },
            (DAY, "poltwt"): {("same", "negative", "neutral"): 1, ("moved", None, "positive"): 1},
            (NEXT, ""): {("only", "negative", None): 1},
        }
        assert pairs.cells("all")[DAY, ""] == {
            ("same", "negative", "neutral"): 1,
            ("edited", "neutral", "negative"): 1,
            ("same", "positive", "positive"): 1,
            ("only", None, "negative"): 1,
        }
        assert {group for _, group in pairs.cells("language")} == {"en"}


async def test_without_common_posts_nothing_is_measured(tmp_path: Path) -> None:
    await write(tmp_path, [enriched("1")], [enriched("2")])
    with pairs_of(tmp_path) as pairs:
        assert (pairs.mean_distance(), pairs.labels("language"), pairs.sets("topics")) == (None, {}, {})
        assert (pairs.same_sets("topics"), pairs.changed(5)) == (0, ())


@pytest.mark.parametrize(
    ("chosen", "posts"),
    [
        ({"since": START}, 3),
        ({"since": START + timedelta(seconds=1)}, 1),
        ({"until": START}, 0),
        ({"until": START + timedelta(days=1)}, 2),
        ({"hashtag": "poltwt"}, 1),
    ],
)
async def test_posts_are_selected_by_time_and_hashtag(chosen: dict[str, object], posts: int, tmp_path: Path) -> None:
    both = [enriched("1", hashtags=("poltwt",)), enriched("2"), enriched("3", days=1)]
    await write(tmp_path, both, both)
    with pairs_of(tmp_path, **chosen) as pairs:
        assert pairs.overlap().both == posts


async def test_an_unknown_run_is_an_error_that_names_the_others(tmp_path: Path) -> None:
    await write_run(tmp_path, "live", [enriched("1")])
    with pytest.raises(BadInput, match="there is no run 'again' in the lake; available runs: live"), pairs_of(tmp_path):
        pass


async def test_an_error_of_duckdb_is_bad_input(tmp_path: Path) -> None:
    await write(tmp_path, [enriched("1")], [enriched("1")])
    with pytest.raises(BadInput, match="the runs cannot be compared: "), pairs_of(tmp_path) as pairs:
        pairs.labels("colour")
