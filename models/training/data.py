"""Readers of the labelled data sets, one function each; all texts are prepared as in serving.

Every function takes the data folder, yields rows with the labels of the data set, and raises `TrainingDataError` if
files are missing. `docs/training.md` describes the source and folder layout of each set.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.enrichment import SENTIMENTS
from models.errors import TrainingDataError
from models.evaluation.error_rates import UMSAB_LANGUAGES
from models.text import prepare

AFRISENTI_LANGUAGES = {
    "arq": "ar",
    "ary": "ar",
    "hau": "ha",
    "pcm": "pcm",
    "por": "pt",
    "swa": "sw",
    "yor": "yo",
}

X_TOPIC_LANGUAGES = {"en": "en", "es": "es", "gr": "el", "ja": "ja"}

SIB_LANGUAGES = {
    "arb": "ar", "ben": "bn", "bul": "bg", "cat": "ca", "ces": "cs", "cym": "cy", "dan": "da", "deu": "de", "ell": "el",
    "eng": "en", "fin": "fi", "fra": "fr", "gle": "ga", "hau": "ha", "heb": "he", "hin": "hi", "hrv": "hr", "hun": "hu",
    "ind": "id", "ita": "it", "jpn": "ja", "kor": "ko", "mar": "mr", "nld": "nl", "nob": "nb", "pes": "fa", "pol": "pl",
    "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "slv": "sl", "spa": "es", "swe": "sv", "swh": "sw", "tam": "ta",
    "tel": "te", "tgl": "tl", "tha": "th", "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi", "yor": "yo", "zho": "zh",
}  # fmt: skip
"""BCP-47 codes by FLORES language (without the script)."""

NOISY = "hi-Latn"
"""UMSAB's Hindi, whose validation labels are close to noise; excluded from the mean that models are selected by."""

HINDI_RELIABLE_FROM = {0: 888, 2: 1334}
"""By sentiment, the line of UMSAB's Hindi training part from which labels match their texts; see `docs/training.md`."""

_NO_TYPE = {"Not labeled", "Not applicable", "Other Useful Information"}


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One prepared text with the labels of its data set, named like the heads; None where the set has no label.

    A label is its name or its number. If several may apply, it is a tuple of names; if annotators disagree about one that
    applies, a tuple of the shares of all labels.
    """

    source: str
    text: str
    language: str | None = None
    sentiment: int | None = None
    topics: tuple[str, ...] | None = None
    emotions: tuple[str, ...] | None = None
    acts: tuple[str, ...] | None = None
    unknown: frozenset[str] = frozenset()
    """Labels on which the data set is silent: they are neither present nor absent."""

    sentence: str | None = None
    """Id shared by the translations of a sentence."""

    def label(self, head: str) -> Any:
        """Return the label for a head, or None."""
        return getattr(self, head, None)

    @property
    def is_noisy(self) -> bool:
        """Whether the row is in UMSAB's Hindi, whose validation labels are close to noise."""
        return self.language == NOISY and self.source.startswith("umsab-")


def umsab(data: Path, split: Literal["train", "val"]) -> Iterator[TrainingRow]:
    """Yield tweets in eight languages, balanced over the three sentiments.

    Unreliable labels of the Hindi training part are omitted, among them all neutral ones.
    """
    for folder, language in UMSAB_LANGUAGES.items():
        texts = _file(data, "umsab", folder, f"{split}_text.txt").read_text("utf-8").splitlines()
        labels = _file(data, "umsab", folder, f"{split}_labels.txt").read_text("utf-8").split()
        for line, (text, label) in enumerate(zip(texts, map(int, labels), strict=True)):
            is_noisy = language == NOISY and split == "train"
            known = label if not is_noisy or line >= HINDI_RELIABLE_FROM.get(label, len(texts)) else None
            unknown = frozenset({"neutral"} if is_noisy else ())
            yield TrainingRow(f"umsab-{split}", prepare(text), language, known, unknown=unknown)


def semeval(data: Path) -> Iterator[TrainingRow]:
    """Yield English tweets of SemEval 2013 to 2016, task A, without the sarcasm part (its labels follow other rules)."""
    for path in _files(data, "semeval2017_4a", "*.tsv"):
        if "sarcasm" in path.name:
            continue
        year = path.name.removeprefix("twitter-")[:4]
        for line in path.read_text("utf-8").splitlines():
            _, label, text = line.rstrip("\t").split("\t", 2)
            text = text.replace(r"\u2019", "'").replace(r"\u002c", ",").replace('""', '"').strip('"')
            yield TrainingRow(f"semeval-{year}", prepare(text), "en", SENTIMENTS.index(label))


def afrisenti(
    data: Path, split: Literal["train", "dev"], folders: Iterable[str] = AFRISENTI_LANGUAGES
) -> Iterator[TrainingRow]:
    """Yield tweets in six African languages and Mozambican Portuguese; romanised Arabic is `ar-Latn`."""
    for folder in folders:
        language = AFRISENTI_LANGUAGES[folder]
        with _file(data, "afrisenti", folder, f"{split}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                text = prepare(row["tweet"])
                code = "ar-Latn" if language == "ar" and mostly_ascii_letters(text) else language
                yield TrainingRow(f"afrisenti-{split}", text, code, SENTIMENTS.index(row["label"]))


def x_topic(data: Path) -> Iterator[TrainingRow]:
    """Yield tweets in English, Spanish, Greek and Japanese with one or more of 19 topics."""
    for code, language in X_TOPIC_LANGUAGES.items():
        with _file(data, "x_topic", f"{code}_1000.jsonl").open(encoding="utf-8") as file:
            for line in file:
                post = json.loads(line)
                topics = tuple(name for name in topic_names(post) if post[name])
                yield TrainingRow("x_topic", prepare(post["text"]), language, topics=topics)


def topic_names(post: dict[str, object]) -> tuple[str, ...]:
    """Return the topic keys of an X-Topic record, in file order."""
    return tuple(key for key in post if key not in {"id", "text", "topics"})


def sib200(data: Path) -> Iterator[TrainingRow]:
    """Yield encyclopaedia and news sentences with one of 7 topics; the same sentences are in 45 languages."""
    for path in _files(data, "sib200", "*.tsv"):
        language = SIB_LANGUAGES[path.name.split("_")[0]]
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                text = prepare(row["text"])
                yield TrainingRow("sib200", text, language, topics=(row["category"],), sentence=row["index_id"])


def emosent(data: Path) -> Iterator[TrainingRow]:
    """Yield emoji with the most frequent sentiment of the posts that contain them (Kralj Novak et al., 2015)."""
    with _file(data, "emosent", "Emoji_Sentiment_Data_v1.0.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            counts = [int(row[label.capitalize()]) for label in SENTIMENTS]
            yield TrainingRow("emosent", prepare(row["Emoji"]), sentiment=counts.index(max(counts)))


def lingua(data: Path) -> Iterator[TrainingRow]:
    """Yield web sentences in 75 languages, from the test data of lingua-py."""
    for path in _files(data, "lingua_sentences", "??.txt"):
        for line in path.read_text("utf-8").splitlines():
            if line.strip():
                yield TrainingRow("lingua", prepare(line), path.stem)


def crisislex(data: Path) -> Iterator[TrainingRow]:
    """Yield tweets about five disasters; the topic is the type of information, if there is one."""
    for path in _files(data, "crisislex_t26", "*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                if len(row) > 3 and row[0].isdigit():
                    yield TrainingRow("crisis", prepare(row[1]), topics=() if row[3] in _NO_TYPE else (row[3],))


def _file(data: Path, name: str, *parts: str) -> Path:
    path = data.joinpath(name, *parts)
    if not path.is_file():
        raise _missing(name, path)
    return path


def _files(data: Path, name: str, pattern: str) -> list[Path]:
    found = sorted((data / name).glob(pattern))
    if not found:
        raise _missing(name, data / name / pattern)
    return found


def _missing(name: str, path: Path) -> TrainingDataError:
    return TrainingDataError(f"the data set {name}: {path} is missing; docs/training.md says where to get it")


def mostly_ascii_letters(text: str) -> bool:
    """Return whether more than half of the letters of a prepared text are ASCII."""
    letters = [character for character in text.replace("@user", "").replace("http", "") if character.isalpha()]
    return sum(character.isascii() for character in letters) * 2 > len(letters)
