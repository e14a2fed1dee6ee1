"""The files of a model: their names, labels and checksums."""

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from models.enrichment import Sentiment, SentimentLabel
from models.errors import ArtefactError
from models.text import QUERY_PREFIX

WEIGHTS = Path(__file__).parent / "weights"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.model"
LABELS_FILE = "labels.json"
CHECKSUMS_FILE = "checksums.sha256"


class Label(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A label of the model and the minimum score for assigning it, overall and in languages that differ."""

    name: str
    threshold: float = 0.0
    by_language: dict[str, float] = {}


class CampaignCalibration(Struct, frozen=True, kw_only=True):
    """The logistic curve from the position on a campaign topic's line to the score (see `models.campaign.fit_lines`)."""

    slope: float
    intercept: float


class SentimentCheck(Struct, frozen=True, kw_only=True):
    """How to estimate the accuracy of the sentiment without labels, as `models.evaluation.drift` says.

    Attributes:
        threshold: The share of posts whose sentiment has at least this probability is the accuracy to expect.
        accuracy: The accuracy on the labelled posts that the threshold was chosen by.
    """

    threshold: float
    accuracy: float

    def is_sure(self, sentiment: Sentiment) -> bool:
        """Return whether the probability of a sentiment reaches the threshold."""
        return max(sentiment.negative, sentiment.neutral, sentiment.positive) >= self.threshold


class ModelLabels(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The meaning of the model's output columns, in column order."""

    name: str
    version: str
    languages: tuple[str, ...]
    sentiments: tuple[SentimentLabel, ...]
    topics: tuple[Label, ...]
    campaign: CampaignCalibration
    heads: dict[str, tuple[Label, ...]] = {}
    """Labels of all other heads, by name."""

    prefix: str = QUERY_PREFIX
    """Prefix of every prepared text."""

    language_threshold: float = 0.0
    """Probability below which the language is reported as `und`."""

    sentiment_prior: dict[str, tuple[float, float, float]] = {}
    """What is added to the logits of the sentiments, by language; the empty code is for all others.

    The logits are those of equal shares; this makes the shares those that posts of the language usually have.
    """

    language_hint_weight: float = 2.2
    """Log-odds added to the language that the network of a post names.

    The default is log 9, the evidence of a hint that is wrong in 10 % of posts.
    """

    sentiment_check: SentimentCheck | None = None
    """None if the accuracy of the sentiment cannot be estimated."""

    @property
    def columns(self) -> dict[str, tuple[Label, ...]]:
        """The labels of every head of the model, by name; a vector has none."""
        named = {"language": self.languages, "sentiment": self.sentiments, "vector": ()}
        return {
            **{head: tuple(Label(name=name) for name in names) for head, names in named.items()},
            "topics": self.topics,
            **self.heads,
        }


class Artefact(Struct, frozen=True, kw_only=True):
    """A folder of model files that passed its checks."""

    path: Path
    labels: ModelLabels

    @property
    def model(self) -> Path:
        return self.path / MODEL_FILE

    @property
    def tokenizer(self) -> Path:
        return self.path / TOKENIZER_FILE


def open_artefact(path: Path | None = None) -> Artefact:
    """Check a folder of model files (the shipped one by default) against its checksums and read its labels.

    Raises:
        ArtefactError: If a file is missing or was changed, or if the labels are invalid.
    """
    folder = path or WEIGHTS
    try:
        for name, expected in read_checksums(folder).items():
            if digest(folder / name) != expected:
                raise ArtefactError(f"{folder / name} does not match {CHECKSUMS_FILE}: reinstall the model")
        labels = msgspec.json.decode((folder / LABELS_FILE).read_bytes(), type=ModelLabels)
    except FileNotFoundError as error:
        raise ArtefactError(f"{error.filename} is missing: reinstall the model") from error
    except msgspec.MsgspecError as error:
        raise ArtefactError(f"{folder / LABELS_FILE} is invalid: {error}") from error
    return Artefact(path=folder, labels=labels)


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by name, read from the format of `sha256sum --check`.

    Raises:
        ArtefactError: If a model file is not listed.
    """
    lines = (folder / CHECKSUMS_FILE).read_text("utf-8").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines]
    if {MODEL_FILE, TOKENIZER_FILE, LABELS_FILE} - {pair[-1] for pair in pairs}:
        raise ArtefactError(f"{folder / CHECKSUMS_FILE} does not list every file of the model: reinstall the model")
    return {name: checksum for checksum, name in pairs}


def write_labels(labels: ModelLabels, folder: Path) -> None:
    """Write the labels of a model, and the checksums of its files."""
    (folder / LABELS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labels), indent=1) + b"\n")
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    """Write the checksums of the three model files in the format of `sha256sum`."""
    lines = [f"{digest(folder / name)}  {name}\n" for name in (LABELS_FILE, MODEL_FILE, TOKENIZER_FILE)]
    (folder / CHECKSUMS_FILE).write_text("".join(lines), "utf-8")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as a hexadecimal string."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
