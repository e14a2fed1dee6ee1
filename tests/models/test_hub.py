"""Third-party models: labels are mapped to ours, answers do not depend on the batch, and errors are reported."""

import json
from collections.abc import Callable, Iterator, Sequence
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

from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: E402

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "what",
    "a",
    "lovely",
    "day",
    "this",
    "is",
    "really",
    "awful",
    "the",
    "meeting",
    "starts",
    "at",
    "ten",
    "dog",
    "http",
    "@user",
]
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
MakeModel = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True)
def _threads_of_torch() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def save_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Save a tiny classifier with random weights: `make_model("moods", ["NEG", "POS"])`."""

    def make(name: str, labels: Sequence[str], **config: Any) -> Path:
        folder = tmp_path / name
        torch.manual_seed(0)
        wanted: dict[str, Any] = {
            "vocab_size": len(WORDS),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 80,
            "pad_token_id": 0,
            "initializer_range": 0.5,
            "id2label": dict(enumerate(labels)),
            "label2id": {label: place for place, label in enumerate(labels)},
        }
        kind = config.pop("kind", transformers.BertConfig)
        model = transformers.AutoModelForSequenceClassification.from_config(kind(**wanted, **config))
        model.save_pretrained(folder)
        save_tokenizer(folder)
        return folder

    return make


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


def test_it_says_what_transformers_says(make_model: MakeModel) -> None:
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


def test_what_has_no_model_says_nothing(make_model: MakeModel) -> None:
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


def test_long_texts_fit_the_positions_of_the_model(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"], kind=transformers.XLMRobertaConfig)
    answers = HubEnricher.load(sentiment=str(folder), threads=1).enrich(["dog " * 500, "dog " * 100])
    assert answers[0] == answers[1]


def fails(task: str, folder: Path | str, match: str) -> None:
    named: dict[str, Any] = {task: str(folder)}
    with pytest.raises(HubModelError, match=match) as caught:
        HubEnricher.load(**named, threads=1)
    assert caught.value.task == task


def test_labels_that_mean_nothing_to_us_are_named(make_model: MakeModel) -> None:
    fails("sentiment", make_model("a", ["joy", "anger"]), "joy, anger: choose one with negative")
    fails("language", make_model("b", ["en", "LABEL_1"]), "LABEL_1")


def test_only_safetensors_are_loaded(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"])
    weights = transformers.AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    fails("sentiment", folder, "cannot be loaded.*safetensors")


def test_code_that_comes_with_a_model_is_not_run(make_model: MakeModel, tmp_path: Path) -> None:
    folder = make_model("moods", ["NEG", "POS"])
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    config = json.loads((folder / "config.json").read_text())
    classes = {"AutoConfig": "code.Config", "AutoModelForSequenceClassification": "code.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": classes}))
    fails("sentiment", folder, "cannot be loaded")
    assert not (tmp_path / "ran").exists()


def test_a_model_without_a_trained_head_is_refused(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"])
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)
    fails("sentiment", folder, "not a trained classifier.*classifier")


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    fails("topic", tmp_path / "none", r"the topic model '.*none' cannot be loaded")
    fails("language", "nobody/nothing-at-all@v1", "nobody/nothing-at-all@v1.*@REVISION")


def ask(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, [*arguments, "--threads", "1"], input=stdin)


def test_the_commands_take_it(make_model: MakeModel, tmp_path: Path) -> None:
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


def test_what_the_hub_back_end_cannot_do_is_said(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_version_of_a_folder_is_that_of_its_weights(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"])
    before = HubEnricher.load(sentiment=str(folder), threads=1).version
    assert HubEnricher.load(sentiment=str(folder), threads=1).version == before
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    model.classifier.bias.data += 1
    model.save_pretrained(folder)
    assert HubEnricher.load(sentiment=str(folder), threads=1).version != before
    assert len(before) == 12
