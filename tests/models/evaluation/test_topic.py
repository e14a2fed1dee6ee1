import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from models.errors import EvaluationDataError
from models.evaluation import name_labels, read_topic_posts, topic_report
from models.evaluation.several import TaggedPosts
from tests.helpers.scripted_model import MODEL, ScriptedEnricher, answer

KNOWN = ("family", "music", "sports")
sets = st.lists(st.tuples(*[st.frozensets(st.sampled_from(KNOWN))] * 2), min_size=1, max_size=30)


def record(text: str, **columns: float) -> str:
    return json.dumps({"id": 1.4e18, "text": text, **columns, "topics": ["As Words"]})


def test_scores_by_file_by_topic_and_over_all(tmp_path: Path) -> None:
    (tmp_path / "en.jsonl").write_text(
        record("song", family=0, music=1, sports=0) + "\n\n" + record("goal", music=0.0, sports=1.0), "utf-8"
    )
    (tmp_path / "es.jsonl").write_text(record("both", music=1, sports=1), "utf-8")
    model = ScriptedEnricher({"song": answer(topics=["music"]), "both": answer(topics=["sports", "family"])})
    files = read_topic_posts(tmp_path, KNOWN)
    assert files["en"].labels == (frozenset({"music"}), frozenset({"sports"}))
    report = topic_report(
        files, {name: name_labels(model, "topics", posts.texts) for name, posts in files.items()}, MODEL
    )
    assert (report.files["en"].micro_f1, report.files["en"].macro_f1, report.files["en"].posts) == (0.6667, 0.5, 2)
    assert (report.files["es"].micro_f1, report.files["es"].macro_f1) == (0.5, 0.3333)
    assert report.micro_f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 2), abs=1e-4)
    assert report.macro_f1 == pytest.approx((0 + 2 / 3 + 2 / 3) / 3, abs=1e-4)
    sports = report.topics["sports"]
    assert (sports.precision, sports.recall, sports.f1, sports.posts) == (1.0, 0.5, 0.6667, 2)
    assert report.topics["family"].posts == 0


@given(sets)
def test_agrees_with_scikit_learn(rows: list[tuple[frozenset[str], frozenset[str]]]) -> None:
    truth, given_topics = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
    posts = TaggedPosts(("x",) * len(rows), truth)
    report = topic_report({"en": posts}, {"en": given_topics}, MODEL)
    occurring = sorted(frozenset().union(*truth, *given_topics))
    if not occurring:
        assert (report.micro_f1, report.macro_f1, report.topics) == (0, 0, {})
        return
    if len(occurring) == 1:  # scikit-learn treats a single column as one binary label with two classes
        return
    table = [[[name in topics for name in occurring] for topics in side] for side in (truth, given_topics)]
    for average, ours in (("micro", report.micro_f1), ("macro", report.macro_f1)):
        assert ours == pytest.approx(f1_score(*table, average=average, zero_division=0), abs=1e-4)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "x", "chess": 1}', "en.jsonl:2: the model does not have the topic 'chess'"),
        ('{"text": "x", "music": 2}', "en.jsonl:2: music must be 0 or 1, not 2"),
        ('{"text": "x", "music": "1"}', "en.jsonl:2: music must be 0 or 1"),
        ('{"text": "x", "music": NaN}', "en.jsonl:2"),
        ('{"music": 1}', "en.jsonl:2: text must be a string"),
        ("[1]", "en.jsonl:2"),
        ('{"text"', "en.jsonl:2"),
    ],
)
def test_faulty_lines_are_named_with_their_fault(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "en.jsonl").write_text(record("fine", music=1) + "\n" + line, "utf-8")
    with pytest.raises(EvaluationDataError, match=message):
        read_topic_posts(tmp_path, KNOWN)


def test_an_empty_file_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match=r"has no \*\.jsonl"):
        read_topic_posts(tmp_path, KNOWN)
    (tmp_path / "en.jsonl").write_text("\n", "utf-8")
    with pytest.raises(EvaluationDataError, match="is empty"):
        read_topic_posts(tmp_path, KNOWN)
