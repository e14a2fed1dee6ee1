import json
from pathlib import Path

import numpy as np
import pytest

from models.errors import HubModelError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from models.backends.hub import HubClassifier  # noqa: E402
from tests.helpers.classifiers import MakeModel  # noqa: E402

pytestmark = pytest.mark.usefixtures("hub_offline")

TEXTS = ["what a lovely day", "", "dog " * 60, "this is really awful", "dog " * 7, "the meeting starts at ten"]


def opened(name: Path | str, task: str = "sentiment", threads: int = 1) -> HubClassifier:
    return HubClassifier(task, str(name), precision="f32", threads=threads)


def fails(task: str, name: Path | str, match: str) -> None:
    with pytest.raises(HubModelError, match=match) as caught:
        opened(name, task)
    assert caught.value.task == task


@pytest.mark.parametrize("kind", ["BertConfig", "XLMRobertaConfig"])
@pytest.mark.parametrize("threads", [1, 3])
def test_it_computes_the_logits_of_transformers(make_model: MakeModel, kind: str, threads: int) -> None:
    folder = make_model("moods", ["NEG", "NEU", "POS"], kind=getattr(transformers, kind))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        expected = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in TEXTS]
    found = opened(folder, threads=threads).logits(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_says_what_it_is(make_model: MakeModel) -> None:
    one = opened(make_model("moods", ["NEG", "POS"]))
    assert (one.name, one.labels, one.is_multi_label) == ("moods", ("NEG", "POS"), False)
    several = opened(make_model("themes", ["a", "b", "c"], problem_type="multi_label_classification"))
    assert (several.name, several.labels, several.is_multi_label) == ("themes", ("a", "b", "c"), True)


def test_a_tokenizer_that_cannot_pad_is_refused(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"])
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({name: value for name, value in settings.items() if name != "pad_token"}), "utf-8")
    fails("language", folder, "the language model .*moods' has a tokenizer without a padding token: choose another")


def test_long_texts_fit_the_positions_of_the_model(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"], kind=transformers.XLMRobertaConfig)
    longest, long = opened(folder).logits(["dog " * 500, "dog " * 100])
    assert np.array_equal(longest, long)


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


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    fails("topic", tmp_path / "none", r"the topic model '.*none' cannot be loaded")
    fails("language", "nobody/nothing-at-all@v1", "nobody/nothing-at-all@v1.*@REVISION")


def test_the_version_of_a_folder_comes_from_its_weights(make_model: MakeModel) -> None:
    folder = make_model("moods", ["NEG", "POS"])
    before = opened(folder).version
    assert opened(folder).version == before
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    model.classifier.bias.data += 1
    model.save_pretrained(folder)
    assert opened(folder).version != before
    assert len(before) == 12
