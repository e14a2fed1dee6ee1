from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.artefact import CampaignCalibration
from models.campaign import CampaignMatcher, CampaignTopic, Vectors, fit_lines, read_topics
from models.enricher import Enricher
from models.enrichment import CampaignScore
from models.errors import TopicsFileError

TOPICS = (
    CampaignTopic(
        name="police dogs",
        description="Police dogs and their handlers",
        examples=("Our K9 Rex found the missing child", "Unser Diensthund Aron hat heute Geburtstag", "Good boy, Rex!"),
    ),
    CampaignTopic(
        name="traffic",
        description="Traffic jams, accidents and road closures",
        examples=("The A40 is closed after a crash", "Stau auf der A1 nach einem Unfall", "Accidente en la autopista"),
    ),
)


@pytest.fixture(scope="module")
def campaign_enricher() -> Enricher:
    return Enricher.load(threads=1, campaign_topics=TOPICS)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Our police dog Luna sniffed out the drugs today, what a dog!", "police dogs"),
        ("Polizeihund Bruno hat den Einbrecher gestellt", "police dogs"),
        ("Accident on the motorway, two lanes closed, expect delays", "traffic"),
        ("Accident sur l'autoroute A6, gros bouchons", "traffic"),
        ("I just finished reading a wonderful novel", None),
        ("", None),
    ],
)
def test_posts_match_their_topic_in_any_language(campaign_enricher: Enricher, text: str, name: str | None) -> None:
    assert campaign_enricher.enrich([text])[0].campaign.name == name


def test_topics_change_nothing_else(campaign_enricher: Enricher, enricher: Enricher) -> None:
    text = "Our police dog Luna sniffed out the drugs today"
    with_topics, without = campaign_enricher.enrich([text])[0], enricher.enrich([text])[0]
    assert (with_topics.sentiment, with_topics.language, with_topics.topics) == (
        without.sentiment,
        without.language,
        without.topics,
    )


CURVE = CampaignCalibration(slope=10, intercept=-5)


def texts_as_axes(axes: dict[str, int], width: int = 4) -> Callable[[Sequence[str]], Vectors]:
    """Return a function that turns each text into the unit vector along its axis."""
    return lambda texts: np.eye(width, dtype=np.float32)[[axes[text] for text in texts]]


def test_every_score_is_kept_and_the_best_topic_that_fits_is_named() -> None:
    topics = [CampaignTopic(name="x", examples=("x", "x")), CampaignTopic(name="y", examples=("y", "y"))]
    matcher = CampaignMatcher(topics, texts_as_axes({"x": 0, "y": 1}), CURVE)
    both = np.array([[0.6, 0.8, 0, 0]], np.float32)
    x, y, neither, _, mixed = matcher.match(np.concatenate([np.eye(4, dtype=np.float32), both]))
    assert (x.name, y.name, neither.name, mixed.name) == ("x", "y", None, "y")
    assert x.scores.keys() == {"x", "y"}
    assert x.score == x.scores["x"] > 0.9 > 0.1 > x.scores["y"]
    assert neither.score == max(neither.scores.values())
    assert mixed.scores["y"] > mixed.scores["x"] > neither.scores["x"], "the second topic of a post is not lost"


def test_a_topic_has_a_threshold_of_its_own() -> None:
    def best(**thresholds: float) -> CampaignScore:
        topics = [CampaignTopic(name=name, examples=(name, name), threshold=thresholds[name]) for name in "xy"]
        matcher = CampaignMatcher(topics, texts_as_axes({"x": 0, "y": 1}), CampaignCalibration(slope=1, intercept=0))
        return matcher.match(np.array([[0.6, 0.8, 0, 0]], np.float32))[0]

    likely = best(x=0.5, y=0.5)
    assert likely.name == "y"
    assert likely.scores["y"] > likely.scores["x"] > 0.5
    strict = best(x=0.5, y=0.99)
    assert (strict.name, strict.score) == ("x", strict.scores["x"]), "the best topic that reaches its threshold"
    none = best(x=0.99, y=0.99)
    assert (none.name, none.score) == (None, none.scores["y"])
    assert likely.scores == strict.scores == none.scores


def test_negative_examples_push_what_resembles_them_away() -> None:
    topic = CampaignTopic(name="dogs", examples=("dog", "dog"))
    vectors = texts_as_axes({"dog": 0, "hot dog": 1, "job": 2})
    post = np.array([[0.8, 0.6, 0, 0], [0.8, 0, 0.6, 0]], np.float32)
    gentle = CampaignCalibration(slope=2, intercept=-1)
    for others in ([], [CampaignTopic(name="jobs", examples=("job",))]):
        before = CampaignMatcher([topic, *others], vectors, gentle).match(post)
        wiser = msgspec.structs.replace(topic, negative_examples=("hot dog",))
        after = CampaignMatcher([wiser, *others], vectors, gentle).match(post)
        fall, other_fall = (b.scores["dogs"] - a.scores["dogs"] for b, a in zip(before, after, strict=True))
        assert fall > max(other_fall, 0.01)


def test_what_all_topics_share_does_not_count() -> None:
    shared = np.array([0, 0, 3, 0])
    rng = np.random.default_rng(0)
    examples = [shared + np.eye(4)[topic] + 0.1 * rng.normal(size=(5, 4)) for topic in (0, 1)]
    unit = [(each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in examples]
    lines = fit_lines(unit, [unit[0][:0]] * 2)
    of_none = (shared / np.linalg.norm(shared))[None]
    assert lines.positions(of_none).max() < 0.7
    for topic, own in enumerate(unit):
        assert lines.positions(own)[:, topic].min() > 0.8
        assert lines.positions(own)[:, 1 - topic].max() < 0.2


UNITS = st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=6).map(np.array).filter(lambda v: v @ v > 0.01)


@given(st.lists(st.lists(UNITS, min_size=1, max_size=4), min_size=1, max_size=4), st.lists(UNITS, max_size=3))
def test_any_vectors_get_finite_scores_between_0_and_1(topics: list[list[Any]], negative: list[Any]) -> None:
    def unit(vectors: list[Any]) -> Vectors:
        found = np.array(vectors, np.float64).reshape(-1, 6)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    texts = {f"{topic} {number}": each for topic, all_ in enumerate(topics) for number, each in enumerate(all_)}
    texts |= {f"not {number}": each for number, each in enumerate(negative)}
    defined = [
        CampaignTopic(
            name=str(number),
            examples=tuple(text for text in texts if text.startswith(f"{number} ")),
            negative_examples=tuple(text for text in texts if text.startswith("not ")),
        )
        for number in range(len(topics))
    ]
    matcher = CampaignMatcher(defined, lambda wanted: unit([texts[text] for text in wanted]), CURVE)
    posts = unit(list(texts.values()))
    found = matcher.match(posts)
    for answer in found:
        assert all(0 <= score <= 1 for score in answer.scores.values())
        assert answer.score == (answer.scores[answer.name] if answer.name else max(answer.scores.values()))
        assert (answer.name is None) == all(score < 0.5 for score in answer.scores.values())
    assert matcher.match(posts[:1]) == found[:1], "a post's score does not depend on its neighbours"


def test_a_post_like_an_example_gets_its_topic(campaign_enricher: Enricher) -> None:
    examples = [example for topic in TOPICS for example in topic.examples]
    names = [topic.name for topic in TOPICS for _ in topic.examples]
    assert [answer.campaign.name for answer in campaign_enricher.enrich(examples)] == names


def test_without_topics_there_is_none() -> None:
    matcher = CampaignMatcher([], lambda texts: np.zeros((len(texts), 2), np.float32), CURVE)
    assert matcher.match(np.eye(2, dtype=np.float32)) == [CampaignScore(name=None, score=0.0)] * 2


def test_a_bare_name_describes_itself() -> None:
    assert CampaignTopic(name="police dogs", description=" ").texts == ("police dogs",)


def test_reads_the_topics_of_a_campaign_file(tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(
        'name = "poltwt"\nhashtags = ["poltwt"]\n'
        '[[topics]]\nname = "dogs"\ndescription = "police dogs"\nexamples = ["Rex"]\n'
        'negative_examples = ["Hot dogs"]\nthreshold = 0.7\n'
        '[[topics]]\nname = "jobs"\n',
        "utf-8",
    )
    assert read_topics(path) == (
        CampaignTopic(
            name="dogs", description="police dogs", examples=("Rex",), negative_examples=("Hot dogs",), threshold=0.7
        ),
        CampaignTopic(name="jobs", threshold=0.5),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[topics]\n", "line 1"),
        (b'[[topics]]\ndescription = "no name"\n', "name"),
        (b'[[topics]]\nname = "a"\nexamples = "one"\n', r"topics\[0\].examples"),
        (b'[[topics]]\nname = "a"\nthreshold = 1.5\n', r"toml: topics\[0\].threshold: Expected `float` < 1.0"),
        (b'[[topics]]\nname = "a"\n[[topics]]\nname = "a"\n', "twice"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "campaign.toml"
    path.write_bytes(content)
    with pytest.raises(TopicsFileError, match=message) as caught:
        read_topics(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TopicsFileError, match=r"none\.toml"):
        read_topics(tmp_path / "none.toml")
