import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from models.artefact import (
    CHECKSUMS_FILE,
    LABELS_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS,
    Label,
    SentimentCheck,
    digest,
    open_artefact,
    read_checksums,
    write_checksums,
    write_labels,
)
from models.enricher import Enricher
from models.errors import ArtefactError
from models.evaluation.error_rates import UMSAB_LANGUAGES
from models.prior_shift import read_rates
from models.training.data import NOISY

MOST_BYTES = 64_000_000
UMSAB_POSTS = 324
"""Number of posts per language in the validation split."""


def test_the_shipped_files_match_their_checksums() -> None:
    checksums = read_checksums(WEIGHTS)
    assert set(checksums) == {LABELS_FILE, MODEL_FILE, TOKENIZER_FILE}
    assert all(digest(WEIGHTS / name) == checksum for name, checksum in checksums.items())


def test_the_shipped_files_stay_small_and_carry_no_pickle() -> None:
    files = list(WEIGHTS.iterdir())
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    assert {file.suffix for file in files} <= {".onnx", ".model", ".json", ".sha256", ".md", ".png"}
    assert (WEIGHTS / "MODEL_CARD.md").is_file()


def test_the_labels_hold_what_the_contract_promises() -> None:
    labels = open_artefact().labels
    assert len(set(labels.languages) - {"und"}) >= 75
    assert {"hi", "hi-Latn", "en", "und"} <= set(labels.languages)
    assert labels.sentiments == ("negative", "neutral", "positive")
    assert len(labels.topics) == 19
    assert all(0 < topic.threshold < 1 for topic in labels.topics)


def test_the_shipped_rates_are_of_the_shipped_model() -> None:
    labels = open_artefact().labels
    rates = read_rates(WEIGHTS / "rates.json")
    assert (rates.model.name, rates.model.version) == (labels.name, labels.version)
    assert set(rates.languages) == set(UMSAB_LANGUAGES.values()) - {NOISY} <= set(labels.languages)
    assert {each.language for each in rates.domains.values()} == set(rates.languages)
    counts = {name: np.array(each.counts) for name, each in rates.domains.items()}
    assert {code: int(each.sum()) for code, each in counts.items()} == dict.fromkeys(counts, UMSAB_POSTS)
    assert np.array_equal(sum(counts.values()), rates.together.counts)


def test_labels_are_read_as_they_were_written(copied: Path) -> None:
    check = SentimentCheck(threshold=0.62, accuracy=0.71)
    write_labels(replace(open_artefact(copied).labels, sentiment_check=check), copied)
    assert open_artefact(copied).labels.sentiment_check == check


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the shipped folder in which the model file is a short dummy."""
    for name in (LABELS_FILE, TOKENIZER_FILE):
        shutil.copyfile(WEIGHTS / name, tmp_path / name)
    (tmp_path / MODEL_FILE).write_bytes(b"weights")
    write_checksums(tmp_path)
    return tmp_path


def test_a_changed_file_is_refused(copied: Path) -> None:
    assert open_artefact(copied).labels.name
    (copied / MODEL_FILE).write_bytes(b"other")
    with pytest.raises(ArtefactError, match=rf"{MODEL_FILE}.*install"):
        open_artefact(copied)


@pytest.mark.parametrize("name", [MODEL_FILE, CHECKSUMS_FILE])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        Enricher.load(copied)


def test_checksums_that_leave_a_file_out_are_refused(copied: Path) -> None:
    lines = (copied / CHECKSUMS_FILE).read_text("utf-8").splitlines(keepends=True)
    (copied / CHECKSUMS_FILE).write_text("".join(line for line in lines if MODEL_FILE not in line), "utf-8")
    with pytest.raises(ArtefactError, match="every file"):
        open_artefact(copied)


def test_labels_without_an_output_are_refused(tmp_path: Path) -> None:
    for name in (MODEL_FILE, TOKENIZER_FILE):
        (tmp_path / name).symlink_to(WEIGHTS / name)
    labels = replace(open_artefact().labels, heads={"emotion": (Label(name="joy"),)})
    (tmp_path / LABELS_FILE).write_bytes(msgspec.json.encode(labels))
    write_checksums(tmp_path)
    with pytest.raises(ArtefactError, match=rf"{MODEL_FILE} has no output emotion"):
        Enricher.load(tmp_path, threads=1)


def test_unknown_labels_are_refused(copied: Path) -> None:
    (copied / LABELS_FILE).write_text('{"name": "x"}', "utf-8")
    write_checksums(copied)
    with pytest.raises(ArtefactError, match=LABELS_FILE):
        open_artefact(copied)
