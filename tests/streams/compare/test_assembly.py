"""Two runs with known flips give exactly these matrices, agreements, causes and posts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from streams.compare import ComparedPosts, Comparison, compare
from streams.contracts import EnrichedPost
from streams.errors import BadInput
from tests.streams.compare.two_runs import EDITED, START, enriched, write_run

LIVE = [
    enriched("kept", "negative", topics=("sports", "news"), campaign="police dogs"),
    enriched("worse", "neutral", topics=("sports",)),
    enriched("better", "negative", sure=0.9, language="de", hashtags=("k9", "poltwt")),
    enriched("elsewhere", "positive", language="de", topics=("news",), campaign="police dogs"),
    enriched("edited", "neutral", text="before"),
    enriched("gone", "negative"),
    enriched("next day", "neutral", days=1, hashtags=()),
]
AGAIN = [
    enriched("kept", "negative", topics=("news", "sports"), campaign="police dogs", version="2"),
    enriched("worse", "negative", topics=("sports", "music"), version="2"),
    enriched("better", "positive", sure=0.9, language="de", hashtags=("k9", "poltwt"), version="2"),
    enriched("elsewhere", "positive", language="nl", campaign="recruitment", version="2"),
    enriched("edited", "negative", text="after", edited_at=EDITED, version="2"),
    enriched("new", "negative", version="2"),
    enriched("next day", "neutral", sure=0.7, days=1, hashtags=(), version="1"),
]


async def _compared(lake: Path, a: list[EnrichedPost], b: list[EnrichedPost], **chosen: object) -> Comparison:
    await write_run(lake, "live", a)
    await write_run(lake, "again", b)
    return compare(lake, "live", "again", ComparedPosts(**chosen))  # type: ignore[arg-type]


@pytest.fixture
async def found(tmp_path: Path) -> Comparison:
    return await _compared(tmp_path, LIVE, AGAIN)


async def test_posts_are_joined_and_edits_are_counted_separately(found: Comparison) -> None:
    over = found.overlap
    assert (over.both, over.same_text, over.edited, over.only_a, over.only_b) == (6, 5, 1, 1, 1)
    assert any("a different text" in warning for warning in found.warnings)


async def test_the_newest_version_of_a_post_counts(tmp_path: Path) -> None:
    newest = [enriched("a", "neutral"), enriched("a", "positive", text="edited", edited_at=EDITED)]
    found = await _compared(tmp_path, newest, [enriched("a", "negative", text="edited", edited_at=EDITED)])
    assert found.overlap.same_text == 1
    assert found.sentiment.matrix.counts == ((0, 0, 0), (0, 0, 0), (1, 0, 0))


async def test_matrices_are_exact(found: Comparison) -> None:
    assert found.sentiment.matrix.labels == ("negative", "neutral", "positive")
    assert found.sentiment.matrix.counts == ((1, 0, 1), (1, 1, 0), (0, 0, 1))
    assert found.language.matrix.labels == ("en", "de", "nl")
    assert found.language.matrix.counts == ((3, 0, 0), (0, 1, 1), (0, 0, 0))
    assert found.campaign.matrix.labels == ("", "police dogs", "recruitment")
    assert found.campaign.matrix.counts == ((3, 0, 0), (0, 1, 1), (0, 0, 0))


async def test_agreement_is_exact(found: Comparison) -> None:
    sentiment = found.sentiment.agreement
    assert (sentiment.posts, sentiment.agreed, sentiment.share, sentiment.few) == (5, 3, 0.6, True)
    assert sentiment.kappa == pytest.approx((3 * 5 - 8) / (25 - 8))  # by chance 2·2 + 2·1 + 1·2 of 25
    assert [(each.language, each.agreement.posts, each.agreement.agreed) for each in found.sentiment.by_language] == [
        ("en", 3, 2),
        ("de", 2, 1),
    ]
    assert (found.language.agreement.agreed, found.campaign.agreement.agreed) == (4, 4)


async def test_topics_are_kept_lost_and_gained(found: Comparison) -> None:
    topics = found.topics
    assert {each.label: (each.kept, each.lost, each.gained) for each in topics.labels} == {
        "sports": (2, 0, 0),
        "news": (1, 1, 0),
        "music": (0, 0, 1),
    }
    # kappa of news: agreed 4 of 5, by chance (2·1 + 3·4) of 25
    kappas = {"sports": 1.0, "news": (20 - 14) / (25 - 14), "music": 0.0}
    assert {each.label: each.kappa for each in topics.labels} == pytest.approx(kappas)
    assert topics.mean_kappa == pytest.approx(sum(kappas.values()) / 3)
    assert (topics.posts, topics.agreed) == (5, 3)


async def test_emotions_and_acts_are_compared_as_topics_are(tmp_path: Path) -> None:
    a = [enriched("1", emotions=("anger", "fear"), acts=("complaint",)), enriched("2", acts=("question",))]
    b = [enriched("1", emotions=("fear",), acts=("complaint",)), enriched("2", emotions=("joy",), acts=("question",))]
    found = await _compared(tmp_path, a, b)
    assert {each.label: (each.kept, each.lost, each.gained) for each in found.emotions.labels} == {
        "anger": (0, 1, 0),
        "joy": (0, 0, 1),
        "fear": (1, 0, 0),
    }
    assert (found.emotions.posts, found.emotions.agreed) == (2, 0)
    assert found.emotions.mean_kappa == pytest.approx(1 / 3)
    assert [(each.label, each.kept, each.kappa) for each in found.acts.labels] == [
        ("complaint", 1, 1),
        ("question", 1, 1),
    ]
    assert (found.acts.agreed, found.acts.mean_kappa, found.topics.labels) == (2, 1, ())


async def test_the_mean_of_one_topic_has_the_interval_of_that_topic(tmp_path: Path) -> None:
    sentiments = [(True, True)] * 30 + [(True, False)] * 6 + [(False, True)] * 9 + [(False, False)] * 55
    sides = [
        [enriched(f"{number}", topics=("news",) if has[side] else ()) for number, has in enumerate(sentiments)]
        for side in (0, 1)
    ]
    topics = (await _compared(tmp_path, *sides)).topics
    (news,) = topics.labels
    assert topics.mean_kappa_interval == pytest.approx(news.kappa_interval)


async def test_correlated_topics_do_not_narrow_the_interval_of_the_mean(tmp_path: Path) -> None:
    both, none = ("news", "politics"), ()
    sentiments = [(both, both)] * 30 + [(both, none)] * 6 + [(none, both)] * 9 + [(none, none)] * 55
    sides = [[enriched(f"{number}", topics=has[side]) for number, has in enumerate(sentiments)] for side in (0, 1)]
    topics = (await _compared(tmp_path, *sides)).topics
    assert topics.mean_kappa_interval == pytest.approx(topics.labels[0].kappa_interval)


async def test_the_causes_of_each_days_difference(found: Comparison) -> None:
    first = next(change for change in found.daily.all if change.day == START.date())
    assert (first.posts_a, first.negative_a, first.posts_b, first.negative_b) == (6, 3, 6, 4)
    assert {cause.kind: cause.posts for cause in first.causes} == {
        "neutral_to_negative": 1,
        "negative_to_positive": 1,
        "edited": 1,
        "only_a": 1,
        "only_b": 1,
    }
    hashtags = {(change.day.day, change.group): change.difference for change in found.daily.hashtags}
    assert hashtags == {
        (20, "k9"): pytest.approx(4 / 6 - 3 / 6),
        (20, "poltwt"): pytest.approx(-1.0),
        (21, ""): 0.0,
    }
    languages = {(change.day.day, change.group): change for change in found.daily.languages}
    assert {cause.kind: cause.posts for cause in languages[20, "de"].causes} == {
        "negative_to_positive": 1,
        "moved_out": 1,
    }
    assert languages[20, "nl"].difference is None
    for change in (*found.daily.all, *found.daily.hashtags, *found.daily.languages):
        assert sum(cause.effect for cause in change.causes) == pytest.approx(change.difference or 0.0, abs=1e-12)


async def test_the_posts_that_changed_most_come_first(found: Comparison) -> None:
    assert [post.id for post in found.changed] == ["better", "worse", "next day"]
    assert [post.distance for post in found.changed] == pytest.approx([0.85, 0.7, 0.1])
    assert (found.changed[0].a.sentiment, found.changed[0].b.sentiment) == ("negative", "positive")


async def test_models_are_named_and_several_cause_a_warning(found: Comparison) -> None:
    (model,) = found.a.models
    assert (model.name, model.version, model.runtime, model.precision) == ("constant", "1", "openvino", "int8")
    assert [(model.version, model.posts) for model in found.b.models] == [("2", 6), ("1", 1)]
    assert [warning for warning in found.warnings if "models" in warning] == [
        "run again was made by 2 models, so its labels are not those of a single model"
    ]


async def test_a_run_against_itself_agrees(tmp_path: Path) -> None:
    await write_run(tmp_path, "live", LIVE)
    found = compare(tmp_path, "live", "live")
    assert (found.sentiment.agreement.kappa, found.language.agreement.kappa, found.topics.mean_kappa) == (1, 1, 1)
    assert (found.changed, found.overlap.only_a, found.overlap.edited) == ((), 0, 0)
    assert {change.difference for change in found.daily.hashtags} == {0.0}


async def test_runs_that_share_nothing_have_no_measures(tmp_path: Path) -> None:
    found = await _compared(tmp_path, [enriched("a")], [enriched("b", "negative")])
    assert (found.overlap.both, found.sentiment.agreement.kappa, found.topics.mean_kappa) == (0, None, None)
    assert any("share no post" in warning for warning in found.warnings)
    (day,) = found.daily.all
    assert [(cause.kind, cause.effect) for cause in day.causes] == [("only_b", 1.0), ("only_a", 0.0)]


async def test_posts_are_selected_by_time_and_hashtag(tmp_path: Path) -> None:
    found = await _compared(tmp_path, LIVE, AGAIN, since=START + timedelta(days=1))
    assert (found.a.posts, found.b.posts) == (1, 1)
    found = compare(tmp_path, "live", "again", ComparedPosts(until=START + timedelta(days=1)))
    assert found.a.posts == 6
    found = compare(tmp_path, "live", "again", ComparedPosts(hashtag="poltwt"))
    assert [change.group for change in found.daily.hashtags] == ["k9", "poltwt"]
    found = compare(tmp_path, "live", "again", ComparedPosts(hashtag="never"))
    assert (found.a.posts, found.overlap.both) == (0, 0)


async def test_an_unknown_run_is_reported_with_the_available_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lake is empty"):
        compare(tmp_path, "live", "again")
    await write_run(tmp_path, "live", LIVE)
    await write_run(tmp_path, "old", LIVE)
    with pytest.raises(BadInput, match="no run 'again' in the lake; available runs: live, old"):
        compare(tmp_path, "live", "again")


async def test_the_measures_do_not_depend_on_the_number_of_posts(found: Comparison, tmp_path: Path) -> None:
    times, great = 15_000, tmp_path / "great"
    great.mkdir()
    files = f"read_parquet('{tmp_path}/posts/*/*/*/*.parquet', hive_types = {{'run': varchar, 'hour': varchar}})"
    duckdb.sql(
        f"copy (select post.* replace (post.id || number as id) from {files} post, range({times}) many(number)) "
        f"to '{great}/posts' (format parquet, partition_by (run, date, hour), filename_pattern 'all-0-0-{{i}}')"
    )
    whole = compare(great, "live", "again")
    assert whole.overlap.both == 6 * times
    for many, few in (
        (whole.sentiment.matrix, found.sentiment.matrix),
        (whole.language.matrix, found.language.matrix),
        (whole.campaign.matrix, found.campaign.matrix),
    ):
        assert many.counts == tuple(tuple(count * times for count in row) for row in few.counts)
    assert whole.sentiment.agreement.kappa == pytest.approx(found.sentiment.agreement.kappa)
    assert whole.topics.mean_kappa == pytest.approx(found.topics.mean_kappa)
    days = {change.day: change.difference for change in whole.daily.all}
    assert days == pytest.approx({change.day: change.difference for change in found.daily.all})
    assert len(whole.changed) == 20
