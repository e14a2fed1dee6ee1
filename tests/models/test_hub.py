"""Third-party models: labels are mapped to ours, answers do not depend on the batch, and errors are reported."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models.backends import choice
from models.cache import CacheInfo
from models.campaign import CampaignTopic
from models.cli import main
from models.enricher import TextEnricher
from models.errors import BackendError, HubModelError, MissingBackendExtra
from models.hub import HubEnricher

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.helpers.classifiers import MakeModel  # noqa: E402

POSTS = [
    "what a lovely day",
    "this is really awful",
    "the meeting starts at ten",
    "dog " * 60,
    "",
    "\U0001f415",
    "lovely " * 20,
    "unseen words https://example.org",
]


pytestmark = pytest.mark.usefixtures("hub_offline")


def test_three_models_answer_together(make_model: MakeModel) -> None:
    enricher: TextEnricher = HubEnricher.load(
        sentiment=str(make_model("moods", ["Negative", "Neutral", "Positive"])),
        language=str(make_model("tongues", ["en", "deu_Latn", "French", "hin_Latn"])),
        topic=str(make_model("themes", ["sports", "music", "news"], problem_type="multi_label_classification")),
        topic_threshold=0.3,
        threads=2,
    )
    answers = enricher.enrich(POSTS)
    assert enricher.name == "moods + tongues + themes"
    assert len(enricher.version.split(" + ")) == 3
    assert {answer.language.code for answer in answers} <= {"en", "de", "fr", "hi-Latn", "und"}
    assert (answers[4].language.code, answers[4].language.score) == ("und", 1.0)
    assert any(len(answer.topics) > 1 for answer in answers)
    for answer in answers:
        mood = answer.sentiment
        assert mood.negative + mood.neutral + mood.positive == pytest.approx(1, abs=2e-4)
        assert getattr(mood, mood.label) == max(mood.negative, mood.neutral, mood.positive)
        scores = [topic.score for topic in answer.topics]
        assert scores == sorted(scores, reverse=True)
        assert min(scores, default=1) >= 0.3
        assert answer.campaign.name is None
        assert (answer.model.name, answer.model.runtime, answer.model.precision) == (enricher.name, "torch", "f32")


def test_it_answers_like_transformers(make_model: MakeModel) -> None:
    folder = make_model("moods", ["LABEL_0", "LABEL_1", "LABEL_2"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(POSTS[0], return_tensors="pt")
    with torch.inference_mode():
        expected = torch.softmax(model(**tokens).logits[0], -1).tolist()
    (answer,) = HubEnricher.load(sentiment=str(folder), threads=1).enrich([POSTS[0]])
    assert [answer.sentiment.negative, answer.sentiment.neutral, answer.sentiment.positive] == pytest.approx(
        expected, abs=1e-4
    )


@pytest.mark.parametrize("kind", ["BertConfig", "XLMRobertaConfig"])
def test_neighbours_do_not_matter(make_model: MakeModel, kind: str) -> None:
    folder = make_model("tongues", ["en", "de", "fr"], kind=getattr(transformers, kind))
    enricher = HubEnricher.load(language=str(folder), threads=2, cache_size=0)
    together = enricher.enrich(POSTS * 9)
    assert enricher.enrich(POSTS[::-1])[::-1] == together[: len(POSTS)]
    for place, text in enumerate(POSTS):
        assert enricher.enrich([text])[0] == together[place]


def test_a_task_without_a_model_has_a_neutral_answer(make_model: MakeModel) -> None:
    enricher = HubEnricher.load(topic=str(make_model("themes", ["sports", "music"])), threads=1)
    (answer,) = enricher.enrich(["what a lovely day"])
    assert (answer.language.code, answer.language.score) == ("und", 0.0)
    mood = answer.sentiment
    assert (mood.label, mood.negative, mood.neutral, mood.positive) == ("neutral", 0, 1, 0)
    assert len(answer.topics) == 1  # a single-label topic model always assigns one topic
    (other,) = HubEnricher.load(sentiment=str(make_model("moods", ["NEG", "POS"])), threads=1).enrich(["a dog"])
    assert other.topics == ()
    assert other.sentiment.neutral == 0


def test_identical_texts_are_computed_once(make_model: MakeModel) -> None:
    enricher = HubEnricher.load(sentiment=str(make_model("moods", ["NEG", "POS"])), threads=1)
    first, second = enricher.enrich(["dog https://a.example", "dog https://b.example"])
    assert first is second
    assert enricher.cache_info() == CacheInfo(hits=1, misses=1, maxsize=100_000, currsize=1)
    assert enricher.enrich([]) == []


def fails(task: str, folder: Path | str, match: str) -> None:
    named: dict[str, Any] = {task: str(folder)}
    with pytest.raises(HubModelError, match=match) as caught:
        HubEnricher.load(**named, threads=1)
    assert caught.value.task == task


def test_unknown_labels_are_named(make_model: MakeModel) -> None:
    fails("sentiment", make_model("a", ["joy", "anger"]), "joy, anger: choose one with negative")
    fails("language", make_model("b", ["en", "LABEL_1"]), "LABEL_1")


def ask(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, [*arguments, "--threads", "1"], input=stdin)


def test_the_commands_can_use_it(make_model: MakeModel, tmp_path: Path) -> None:
    moods, themes = str(make_model("moods", ["NEG", "POS"])), str(make_model("themes", ["sports", "music"]))
    hub = ("--backend", "hub", "--hub-sentiment", moods, "--hub-topic", themes)
    enriched = ask("enrich", *hub, stdin="a lovely day\n")
    assert json.loads(enriched.stdout)["model"]["name"] == "moods + themes"
    (tmp_path / "val_text.txt").write_text("a lovely day\nreally awful\n", "utf-8")
    (tmp_path / "val_labels.txt").write_text("2\n0\n", "utf-8")
    (tmp_path / "en.jsonl").write_text('{"text": "a dog", "music": 1, "sports": 0}\n', "utf-8")
    scored = json.loads(ask("eval", "sentiment", "--data", str(tmp_path), "--json", *hub).stdout)
    assert sum(map(sum, scored["confusion"])) == 2
    assert scored["model"]["name"] == "moods + themes"
    assert json.loads(ask("eval", "topic", "--data", str(tmp_path), "--json", *hub).stdout)["task"] == "topic"


def test_the_commands_say_what_it_needs(make_model: MakeModel, tmp_path: Path) -> None:
    moods = str(make_model("moods", ["NEG", "POS"]))
    (tmp_path / "dogs.toml").write_text('[[topics]]\nname = "dogs"\n', "utf-8")
    topics = ("--topics", str(tmp_path / "dogs.toml"))
    for options, reason in [
        (("--hub-sentiment", moods), "require --backend hub"),
        (("--backend", "hub"), "hub back end needs a model"),
        (("--backend", "hub", "--hub-topic", str(tmp_path / "none")), "cannot be loaded"),
        (("--backend", "hub", "--hub-sentiment", moods, *topics), "campaign topics"),
    ]:
        result = ask("enrich", *options)
        assert result.exit_code == 2
        assert reason in result.stderr


def test_what_the_hub_back_end_does_not_support_is_reported(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackendError, match="needs a model"):
        HubEnricher.load()
    folder = str(make_model("moods", ["NEG", "POS"]))
    with pytest.raises(BackendError, match="campaign topics"):
        HubEnricher.load(sentiment=folder, campaign_topics=[CampaignTopic(name="dogs")])
    with pytest.raises(BackendError, match="int8"):
        HubEnricher.load(sentiment=folder, precision="int8")
    monkeypatch.setattr(choice, "find_spec", lambda _: None)
    with pytest.raises(MissingBackendExtra, match=r"pip install 'tagpulse\[torch\]'"):
        HubEnricher.load(sentiment=folder)
