from pathlib import Path

import numpy as np
import pytest

from models.campaign import CampaignTopic
from models.enricher import Enricher
from models.errors import EvaluationDataError
from models.evaluation import campaign_report, match_topics, read_campaign_posts
from models.evaluation.campaign import CampaignAnswers, CampaignPosts
from tests.helpers.scripted_model import MODEL


def test_scores_by_topic_and_over_all() -> None:
    answers = CampaignAnswers(
        names=("dogs", None, "jobs", "dogs", None),
        scores=np.array([[0.9, 0.1], [0.4, 0.2], [0.1, 0.8], [0.7, 0.2], [0.1, 0.1]]),
    )
    report = campaign_report(("dogs", "jobs"), ("dogs", "dogs", "jobs", "other", ""), answers, MODEL)
    dogs, jobs = report.topics["dogs"], report.topics["jobs"]
    assert (dogs.precision, dogs.recall, dogs.f1, dogs.posts) == (0.5, 0.5, 0.5, 2)
    assert dogs.auc == pytest.approx(5 / 6, abs=1e-4)
    assert (jobs.f1, jobs.auc) == (1.0, 1.0)
    assert report.accuracy == 0.6
    assert report.macro_f1 == 0.75
    assert report.macro_f1_with_none == pytest.approx((0.5 + 1 + 0.5) / 3, abs=1e-4)
    assert report.mean_auc == pytest.approx((5 / 6 + 1) / 2, abs=1e-4)
    assert report.any_auc == pytest.approx(5 / 6, abs=1e-4)
    assert report.coverage == 0.6
    assert report.posts == 5


def test_posts_of_no_topic_have_no_auc() -> None:
    answers = CampaignAnswers((None,), np.array([[0.1]]))
    report = campaign_report(("dogs",), ("else",), answers, MODEL)
    assert (report.mean_auc, report.any_auc, report.topics["dogs"].auc) == (None, None, None)
    assert (report.accuracy, report.macro_f1, report.macro_f1_with_none) == (1.0, 0.0, 1.0)


def test_the_model_is_asked_as_in_serving() -> None:
    topics = (
        CampaignTopic(name="police dogs", description="Police dogs and their handlers", examples=("Good boy, Rex!",)),
        CampaignTopic(name="traffic", description="Traffic jams and road closures", examples=("Stau auf der A1",)),
    )
    enricher = Enricher.load(threads=1, cache_size=0, campaign_topics=topics)
    texts = ["Our police dog Luna found the drugs", "Road closed after a crash, traffic jams", "I read a novel"]
    answers = match_topics(enricher, topics, texts)
    assert answers.names == tuple(answer.campaign.name for answer in enricher.enrich(texts))
    assert answers.scores.shape == (3, 2)
    assert answers.scores[:2].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    "content",
    [
        b'ID, Tweet Text, Type\r\n1,"Hello, ""world""\r\nand all", Dogs \r\n\r\n2,x,Jobs\r\n',
        b'\xef\xbb\xbfTweet Text\t ID\tType\n"Hello, ""world""\r\nand all"\t1\tDogs\nx\t2\tJobs',
    ],
    ids=["comma", "tab, with a byte order mark"],
)
def test_reads_tables(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(content)
    expected = CampaignPosts(('Hello, "world"\r\nand all', "x"), ("Dogs", "Jobs"))
    assert read_campaign_posts(path, "Tweet Text", "Type") == expected
    assert read_campaign_posts(path, " Tweet Text", "Type ") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,kind\nx,y\n", "csv:1: no column 'label'; the columns are 'text', 'kind'"),
        (b"", "csv:1: no column 'text' or 'label'"),
        (b"text,label\n", "no row"),
        (b"text,label\n\nx,y\nx\n", "csv:4: 1 cells, but the header has 2"),
        (b'text,label\nx,y\n"x,y\n', "csv:3"),
        (b"text,label\nx,\xff\n", "csv:2.*UTF-8"),
    ],
)
def test_faulty_tables_are_named_with_their_fault(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(content)
    with pytest.raises(EvaluationDataError, match=message):
        read_campaign_posts(path, "text", "label")


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match=r"none\.csv: No such file"):
        read_campaign_posts(tmp_path / "none.csv", "text", "label")


def test_reads_the_posts_of_disasters(shared_data: Path) -> None:
    for path in (shared_data / "crisislex_t26").glob("*.csv"):
        posts = read_campaign_posts(path, "Tweet Text", "Information Type")
        assert len(posts.texts) >= 1_000
        assert "Affected individuals" in posts.labels
