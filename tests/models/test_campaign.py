from pathlib import Path

import numpy as np
import pytest

from models.artefact import CampaignCalibration
from models.campaign import CampaignMatcher, CampaignTopic, read_topics
from models.enricher import Enricher
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


def test_the_nearest_topic_or_none() -> None:
    axes = np.eye(3, dtype=np.float32)
    topics = [CampaignTopic(name="x"), CampaignTopic(name="y")]
    matcher = CampaignMatcher(topics, [axes[:1], axes[1:2]], CampaignCalibration(slope=10, intercept=-5))
    x, y, neither = matcher.match(axes)
    assert (x.name, y.name, neither.name) == ("x", "y", None)
    assert x.score == pytest.approx(0.9933, abs=1e-4)
    assert neither.score == pytest.approx(0.0067, abs=1e-4)


def test_without_topics_there_is_none() -> None:
    answers = CampaignMatcher([], [], CampaignCalibration(slope=1, intercept=0)).match(np.eye(2, dtype=np.float32))
    assert [(answer.name, answer.score) for answer in answers] == [(None, 0.0)] * 2


def test_a_bare_name_describes_itself() -> None:
    assert CampaignTopic(name="police dogs", description=" ").texts == ("police dogs",)


def test_reads_the_topics_of_a_campaign_file(tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(
        'name = "poltwt"\nhashtags = ["poltwt"]\n'
        '[[topics]]\nname = "dogs"\ndescription = "police dogs"\nexamples = ["Rex"]\n'
        '[[topics]]\nname = "jobs"\n',
        "utf-8",
    )
    assert read_topics(path) == (
        CampaignTopic(name="dogs", description="police dogs", examples=("Rex",)),
        CampaignTopic(name="jobs"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[topics]\n", "line 1"),
        (b'[[topics]]\ndescription = "no name"\n', "name"),
        (b'[[topics]]\nname = "a"\nexamples = "one"\n', r"topics\[0\].examples"),
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
