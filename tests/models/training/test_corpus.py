from collections import Counter
from pathlib import Path

import pytest

from models.training import corpus
from models.training.data import Row


def test_no_text_stands_on_both_sides(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SEMEVAL_HELD_OUT", 10)
    monkeypatch.setattr(corpus, "HINGLISH_HELD_OUT", 6)
    path = tiny_data / "umsab" / "english"
    stolen = (path / "val_text.txt").read_text("utf-8").splitlines()[0]
    before = (path / "train_text.txt").read_text("utf-8")
    (path / "train_text.txt").write_text(
        before.replace(before.splitlines()[0], f"@someone {stolen.upper()}!!"), "utf-8"
    )
    try:
        rows = corpus.build(tiny_data)
    finally:
        (path / "train_text.txt").write_text(before, "utf-8")
    held = {corpus.fingerprint(row.text) for row in rows if corpus.is_held_out(row)} - {""}
    whole = [row for row in rows if not corpus.is_held_out(row) and row.source not in {"fragment", "undetermined"}]
    assert not [row for row in whole if corpus.fingerprint(row.text) in held]
    counts = Counter(row.source for row in rows)
    assert counts["umsab-train"] == 8 * 30 - 6 - 1
    assert counts["hinglish-held"] == 6
    assert counts["semeval-held"] == 10
    assert counts["semeval"] == 30
    assert counts["lingua-held"] == 200
    assert counts["sib200"] == 600
    assert counts["sib200-held"] == 200


def test_the_split_is_the_same_whatever_the_order() -> None:
    rows = [Row("set", f"text {number}", sentiment=1) for number in range(50)]
    _, held = corpus._split(rows, 10, "held")
    _, again = corpus._split(rows[::-1], 10, "held")
    assert {row.text for row in held} == {row.text for row in again}


def test_fingerprints_ignore_what_reposts_change() -> None:
    assert corpus.fingerprint("@user Great DAY!! http") == corpus.fingerprint("great day")
