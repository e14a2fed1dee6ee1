from collections import Counter, defaultdict
from pathlib import Path

import pytest

from models.errors import TrainingDataError
from models.training import corpus
from models.training.data import TrainingRow
from models.training.sets import SETS


def test_no_text_is_in_both_parts(tiny_data: Path) -> None:
    path = tiny_data / "umsab" / "english"
    copied = (path / "val_text.txt").read_text("utf-8").splitlines()[0]
    before = (path / "train_text.txt").read_text("utf-8")
    (path / "train_text.txt").write_text(
        before.replace(before.splitlines()[0], f"@someone {copied.upper()}!!"), "utf-8"
    )
    try:
        rows = corpus.build(tiny_data)
    finally:
        (path / "train_text.txt").write_text(before, "utf-8")
    held = {corpus.text_key(row) for row in rows if corpus.is_held_out(row)}
    assert not [row for row in rows if not corpus.is_held_out(row) and corpus.text_key(row) in held]
    counts = Counter(row.source for row in rows)
    assert counts["umsab-train"] == 8 * 30 - 1
    assert (counts["semeval-2013"], counts["semeval-2013-held"]) == (36, 4)
    assert (counts["vsmec"], counts["vsmec-held"]) == (54, 6)
    assert (counts["brighter"], counts["brighter-held"]) == (216, 24)
    assert counts["template"] > counts["template-held"] > 0
    assert counts["lingua-held"] == 200
    assert counts["sib200"] == 600
    assert counts["sib200-held"] == 200


def test_open_terms_leave_out_all_other_sets(tiny_data: Path, tmp_path: Path) -> None:
    for name in ("umsab", "afrisenti", "x_topic", "sib200", "lingua_sentences", "crisislex_t26", "emosent"):
        (tmp_path / name).symlink_to(tiny_data / name)
    for path in tiny_data.glob("more/*/*.tsv"):
        if SETS[path.stem].terms == "open":
            (tmp_path / "more" / path.parent.name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "more" / path.parent.name / path.name).symlink_to(path)
    rows = corpus.build(tmp_path, open_terms=True)
    used = {row.source for row in rows} - {"umsab-val", "afrisenti-dev"}
    assert {name.removesuffix("-held") for name in used} == {n for n, each in SETS.items() if each.terms == "open"}
    complete = corpus.build(tiny_data)
    assert {row for row in complete if row.source in used} <= set(rows), "the split is the same"
    with pytest.raises(TrainingDataError, match=r"semeval2017_4a"):
        corpus.build(tmp_path)


def test_a_text_in_two_sets_is_kept_in_the_first() -> None:
    rows = [
        TrainingRow("umsab-train", "Great day", "en", 2),
        TrainingRow("semeval-2013", "@user great DAY!", "en", 1),
        TrainingRow("semeval-2013", "of its own", "en", 1),
    ]
    assert corpus.without_repeats(rows, set()) == [rows[0], rows[2]]
    assert corpus.without_repeats(rows, {"greatday"}) == [rows[2]]


def test_a_text_that_a_set_labels_in_two_ways_is_left_out() -> None:
    doubtful = [TrainingRow("semeval-2013", "great day", "en", 2), TrainingRow("semeval-2013", "Great day", "en", 1)]
    assert corpus.without_repeats([*doubtful, TrainingRow("crisis", "great day")], set()) == []
    assert corpus.without_repeats([doubtful[0]] * 2, set()) == [doubtful[0]]


def test_a_set_may_have_a_text_in_two_languages() -> None:
    rows = [TrainingRow("lingua", "hotel", "ms"), TrainingRow("lingua", "hotel", "id")]
    assert corpus.without_repeats(rows, set()) == rows


@pytest.mark.slow
def test_the_real_sets_share_no_text(shared_data: Path) -> None:
    rows = corpus.build(shared_data)
    owners: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        owners[corpus.text_key(row)].add(row.source)
    assert [sources for sources in owners.values() if len(sources) > 1] == []
    counts = Counter(row.source for row in rows)
    assert (counts["umsab-val"], counts["x_topic"]) == (2_592, 3_999)
    trained = {name for name in counts if not name.endswith(("-val", "-dev", "-held"))}
    assert trained == set(SETS)
    for name, each in SETS.items():
        if each.read:
            assert 0.08 < counts[f"{name}-held"] / (counts[name] + counts[f"{name}-held"]) < 0.13


def test_the_split_is_the_same_whatever_the_order() -> None:
    rows = [TrainingRow("set", f"text {number}", sentiment=1) for number in range(50)]
    kept, held = corpus.hold_out(rows, 10)
    assert sorted([*(row.text for row in kept), *(row.text for row in held)]) == sorted(row.text for row in rows)
    _, again = corpus.hold_out(rows[::-1], 10)
    assert {row.text for row in held} == {row.text for row in again}
    assert {row.source for row in held} == {"set-held"}


def test_fingerprints_ignore_what_reposts_change() -> None:
    assert corpus.fingerprint("@user Great DAY!! http") == corpus.fingerprint("great day")
