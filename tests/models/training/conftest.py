"""A tiny encoder and a tiny data folder in the layout of the real one, with invented posts."""

import csv
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("onnx", reason="the extra `train` is not installed")
pytest.importorskip("sklearn", reason="the extra `train` is not installed")

import torch

from models.artefact import TOKENIZER_FILE, WEIGHTS
from models.enrichment import ACTS, EMOTIONS, SENTIMENTS
from models.evaluation.error_rates import UMSAB_LANGUAGES
from models.training.data import AFRISENTI_LANGUAGES, TrainingRow
from models.training.domains import is_published
from models.training.encoder import EncoderConfig
from models.training.further import Further
from models.training.network import LOW_LAYERS, MultiHeadNetwork, Sizes
from models.training.sets import SETS

GOOD, BAD, PLAIN = (
    ["love", "lovely", "wonderful", "great"],
    ["hate", "awful", "terrible", "sad"],
    ["bus", "office", "nine", "map"],
)
WORDS = (BAD, PLAIN, GOOD)
TOPICS = ("music", "sports")
COLUMNS = {"language": 5, "sentiment": 3, "topics": 3, "emotions": len(EMOTIONS), "acts": len(ACTS), "vector": 64}
CONFIG = EncoderConfig(64, max(LOW_LAYERS), 2, 96, 200, 130, 2, 1e-12, 1)

PLACEHOLDER = 9
"""The id of a piece that the features `words` leave out."""


@pytest.fixture
def network() -> MultiHeadNetwork:
    """A random network with two exits, whose word embeddings are exactly representable in 4 bits."""
    torch.manual_seed(0)
    network = MultiHeadNetwork(CONFIG, Sizes(COLUMNS, exits=(4, 6)), placeholders=(PLACEHOLDER,))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name == "words.weight":
                nibbles = torch.randint(-8, 8, parameter.shape).float()
                nibbles[:, ::32] = -8
                parameter.copy_(nibbles * 0.0625)
            elif parameter.ndim > 1:
                parameter.normal_(std=0.2)
    network.eval()
    return network


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every data set that training reads, each with a few invented rows."""
    root = tmp_path_factory.mktemp("data")
    for language in UMSAB_LANGUAGES:
        write_umsab(root / "umsab" / language, language)
    for folder in AFRISENTI_LANGUAGES:
        for split, count in (("train", 9), ("dev", 6)):
            rows = [
                {"ID": i, "tweet": text(i, folder, split), "label": ("negative", "neutral", "positive")[i % 3]}
                for i in range(count)
            ]
            write_table(root / "afrisenti" / folder / f"{split}.tsv", rows)
    (root / "semeval2017_4a").mkdir()
    lines = [f"{i}\t{('negative', 'neutral', 'positive')[i % 3]}\t{text(i, 'semeval', 'x')}\n" for i in range(40)]
    (root / "semeval2017_4a" / "twitter-2013train-A.tsv").write_text("".join(lines), "utf-8")
    (root / "x_topic").mkdir()
    for code in ("en", "es", "gr", "ja"):
        posts = [
            {
                "id": i,
                "text": f"{TOPICS[i % 2]} {text(i, code, 'topic')}",
                "topics": [],
                "music": 1 - i % 2,
                "sports": i % 2,
            }
            for i in range(40)
        ]
        (root / "x_topic" / f"{code}_1000.jsonl").write_text(
            "".join(json.dumps(post) + "\n" for post in posts), "utf-8"
        )
    for code in ("eng_Latn", "deu_Latn"):
        rows = [
            {"index_id": i, "category": ("health", "travel")[i % 2], "text": text(i, code, "sib")} for i in range(400)
        ]
        write_table(root / "sib200" / f"{code}.train.tsv", rows)
    (root / "lingua_sentences").mkdir()
    for code in ("en", "de"):
        lines = [text(i, code, "lingua") + "\n" for i in range(120)]
        (root / "lingua_sentences" / f"{code}.txt").write_text("".join(lines), "utf-8")
    (root / "crisislex_t26").mkdir()
    with (root / "crisislex_t26" / "flood.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [
                ["id", "text", "source", "type"],
                *([i, text(i, "crisis", "x"), "press", ("Sympathy", "Advice")[i % 2]] for i in range(60)),
            ]
        )
    (root / "emosent").mkdir()
    rows = [{"Emoji": "\U0001f600", "Negative": 1, "Neutral": 2, "Positive": 9}]
    write_table(root / "emosent" / "Emoji_Sentiment_Data_v1.0.csv", rows, ",")
    for name, each in SETS.items():
        if isinstance(each.read, partial):
            write_further(root, name, each.read.keywords["says"])
    return root


@pytest.fixture(scope="session")
def shipped_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / TOKENIZER_FILE
    shutil.copyfile(WEIGHTS / TOKENIZER_FILE, path)
    return path


def text(number: int, *marks: str) -> str:
    """Return a unique invented post; its sentiment is `number` modulo 3."""
    words = WORDS[number % 3]
    return f"{words[number % 4]} {words[(number // 3) % 4]} {' '.join(marks)} w{number}"


def texts_in_half(published: bool, mark: str) -> Iterator[str]:
    """Yield texts of the half of the held-out rows to publish, or to choose by."""
    texts = (f"{mark} {number}" for number in itertools.count())
    return (each for each in texts if is_published(TrainingRow("", each)) == published)


def write_further(root: Path, name: str, says: Further) -> None:
    """Write the file of a further set: each label in turn, and often none if several may apply."""
    model = {"sentiment": SENTIMENTS, "emotion": EMOTIONS, "act": ACTS, "language": ("",)}[says.task]
    labels = [label for label in says.names or model if label not in says.unknown]
    if says.task in {"emotion", "act"}:
        labels += ["none"] * len(labels)
    rows = [
        {"lang": ("en", "de")[i % 2], "label": labels[i // 2 % len(labels)], "text": text(i, name, says.task)}
        for i in range(240 if says.task in {"emotion", "act"} else 60)
    ]
    write_table(root / "more" / says.task / f"{name}.tsv", rows)


def write_umsab(folder: Path, language: str) -> None:
    folder.mkdir(parents=True)
    for split, count in (("train", 30), ("val", 12)):
        texts = [text(i, language, split) for i in range(count)]
        (folder / f"{split}_text.txt").write_text("\n".join(texts) + "\n", "utf-8")
        (folder / f"{split}_labels.txt").write_text("\n".join(str(i % 3) for i in range(count)) + "\n", "utf-8")


def write_table(path: Path, rows: Sequence[Mapping[str, object]], delimiter: str = "\t") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
